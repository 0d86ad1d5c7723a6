"""Policies that a recsys.toml declares, and what is said of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from index.settings import Settings
from recsys.ask import Ask
from recsys.errors import InputError
from recsys.model import Snapshot
from recsys.policy_settings import POLICIES, CapSettings, ExplorationSettings, FreshnessSettings, Promotion
from recsys.serving import built_in
from recsys.snapshot.store import SnapshotStore

MAIL = """
[serving.mail]
base = "home"
policies = ["spread", "freshness", "promotions", "caps", "exploration"]
freshness = { weight = 1, half_life_days = 14 }
caps = { category = 3, brand = 2, level = 1 }
exploration = { share = 0.1, max_age_days = 14 }

[[serving.mail.promotions]]
name = "own brand"
filter = 'brand = "Own" AND price < 5'
share = 0.2
slots = [3, 7]

[[serving.mail.promotions]]
name = "new"
filter = "created_at > 2024-05-31"
share = 1e-3
"""


EXPLORING = "exploration = { share = 0.5 }\n"


def declared(tmp_path: Path, toml: str) -> Settings:
    path = tmp_path / "recsys.toml"
    path.write_text(toml, encoding="utf-8")
    return Settings.read(path)


def test_every_key_is_read_and_reaches_the_serving_config(tmp_path: Path) -> None:
    config = declared(tmp_path, MAIL).serving["mail"].on("mail", built_in()["home"])
    assert config.policies == ("spread", "freshness", "promotions", "caps", "exploration")
    assert config.exploration == ExplorationSettings(0.1, 14.0)
    assert config.freshness == FreshnessSettings(1.0, 14.0)
    assert config.caps == CapSettings(category=3, brand=2, level=1)
    assert config.promotions == (
        Promotion("own brand", 'brand = "Own" AND price < 5', 0.2, (3, 7)),
        Promotion("new", "created_at > 2024-05-31", 0.001),
    )
    assert [promotion.n_places for promotion in config.promotions] == [2, 1]


def test_what_is_not_said_is_as_in_the_base(tmp_path: Path) -> None:
    config = declared(tmp_path, "[serving.mail]\nbase = 'similar'").serving["mail"].on("mail", built_in()["similar"])
    assert (config.policies, config.freshness, config.caps, config.promotions) == (POLICIES, None, None, ())
    assert config.active == ("diversity",)
    assert config.exploration is None


def promoting(**keys: str) -> str:
    given = {"name": "'p'", "filter": "'price < 3'", "share": "0.1"} | keys
    return "promotions = [{ " + ", ".join(f"{key} = {value}" for key, value in given.items() if value) + " }]"


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("policies = 'caps'", "serving.x.policies must be a list of texts, got 'caps'"),
        (
            "policies = ['cap']",
            "policies has 'cap'; there are freshness, spread, diversity, caps, promotions, exploration",
        ),
        ("policies = ['caps', 'spread']", "policies has spread too late: freshness, spread and diversity come before"),
        ("policies = ['caps']\ndiversity = 0.4", "serving.x.policies leaves out diversity, which serving.x.diversity"),
        ("policies = [" + "'caps', " * 10_000 + "]", "serving.x.policies must name at most 6 policies, got 10000"),
        ("policies = ['exploration', 'caps']", "serving.x.policies: policies has exploration too early: it comes last"),
        ("policies = ['caps']\nexploration = { share = 0.1 }", "serving.x.policies leaves out exploration, which"),
        ("exploration = 0.1", "serving.x.exploration must be a table, got 0.1"),
        ("exploration = {}", "serving.x.exploration lacks share"),
        ("exploration = { share = 0.51 }", "serving.x.exploration.share must be a number from 0 to 0.5, got 0.51"),
        ("exploration = { share = nan }", "serving.x.exploration.share must be a number from 0 to 0.5, got nan"),
        (
            "exploration = { share = 0.1, max_age_days = 0 }",
            "serving.x.exploration: exploration must have a share from",
        ),
        (
            "exploration = { share = 0.1, days = 3 }",
            "unknown key serving.x.exploration.days; allowed are share, max_age",
        ),
        ("caps = 3", "serving.x.caps must be a table, got 3"),
        ("caps = {}", "serving.x.caps: caps must cap category, brand or both"),
        ("caps = { category = -1 }", "serving.x.caps.category must be a whole number from 1 to 10, got -1"),
        ("caps = { brand = 2.5 }", "serving.x.caps.brand must be a whole number from 1 to 10, got 2.5"),
        ("caps = { brand = nan }", "serving.x.caps.brand must be a whole number from 1 to 10, got nan"),
        ("caps = { colour = 2 }", "unknown key serving.x.caps.colour; allowed are category, brand, level"),
        ("freshness = { weight = -0.5 }", "serving.x.freshness.weight must be a number of at least 0, got -0.5"),
        ("freshness = { weight = nan }", "serving.x.freshness.weight must be a number of at least 0, got nan"),
        ("freshness = { weight = inf }", "serving.x.freshness.weight must be finite, got inf"),
        ("freshness = { half_life_days = 3 }", "serving.x.freshness lacks weight"),
        ("freshness = { weight = 1, half_life_days = 0 }", "serving.x.freshness: freshness must have a weight of at"),
        ("promotions = 3", "serving.x.promotions must be a list of tables, got 3"),
        (promoting(name=""), "serving.x.promotions[0] lacks name"),
        (promoting(filter=""), "serving.x.promotions[0] lacks filter"),
        (promoting(share=""), "serving.x.promotions[0]: promotion 'p' must have a share or slots"),
        (promoting(share="1.5"), "serving.x.promotions[0].share must be a number from 0 to 1, got 1.5"),
        (promoting(share="-0.1"), "serving.x.promotions[0].share must be a number from 0 to 1, got -0.1"),
        (promoting(share="nan"), "serving.x.promotions[0].share must be a number from 0 to 1, got nan"),
        (promoting(slots="[0]"), "serving.x.promotions[0].slots[0] must be a whole number from 1 to 10, got 0"),
        (promoting(slots="[11]"), "serving.x.promotions[0].slots[0] must be a whole number from 1 to 10, got 11"),
        (promoting(slots="[2, 2]"), "serving.x.promotions[0]: promotion 'p' has a slot twice"),
        (promoting(slots=f"[{'1, ' * 10_000}]"), "serving.x.promotions[0].slots must be a list of at most 10 places"),
        (promoting(filter="'price <'"), "serving.x.promotions[0].filter: the filter ends too early at position 7"),
        ("filter = 'price <'", "serving.x.filter: the filter ends too early at position 7"),
        ("filter = 3", "serving.x.filter must be a text that is not empty, got 3"),
        (promoting(name=f"'{'x' * 129}'"), "serving.x.promotions[0].name must have at most 128 characters, got 129"),
        (
            "promotions = [{name = 'a', filter = 'b', share = 0.6}, {name = 'c', filter = 'd', share = 0.5}]",
            "serving.x.promotions: promotions take 11 of the 10 places of a screen",
        ),
        (
            "promotions = [{name = 'a', filter = 'b', slots = [2]}, {name = 'c', filter = 'd', slots = [1, 2]}]",
            "serving.x.promotions: promotions give slot 2 away twice",
        ),
        (
            "promotions = [{name = 'a', filter = 'b', slots = [2]}, {name = 'a', filter = 'd', slots = [1]}]",
            "serving.x.promotions: promotions must have different names",
        ),
        (
            "promotions = [" + "{name = 'a', filter = 'b', share = 0.1}, " * 10_000 + "]",
            "serving.x.promotions must be at most 16, got 10000",
        ),
    ],
)
def test_what_cannot_be_declared_is_one_sentence_that_names_the_key(tmp_path: Path, toml: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        declared(tmp_path, f"[serving.x]\nbase = 'home'\n{toml}")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_rebuild_refuses_a_filter_that_does_not_fit_the_catalogue(
    rebuild: Callable[..., Any], corner_shop: Any, tmp_path: Path
) -> None:
    data = corner_shop.write(tmp_path / "data")
    (data / "recsys.toml").write_text("[serving.mail]\nbase = 'home'\n" + promoting(filter="'colour = 3'"))
    ran = rebuild(data)
    assert ran.code == 2
    assert 'serving.mail.promotions[0].filter: unknown field "colour" at position 0' in ran.err
    (data / "recsys.toml").write_text("[serving.mail]\nbase = 'home'\nfilter = 'NOT shape = round'\n")
    ran = rebuild(data)
    assert ran.code == 2
    assert 'serving.mail.filter: unknown field "shape" at position 4' in ran.err


def test_a_rebuild_keeps_the_policies_in_the_manifest_and_serves_by_them(
    rebuild: Callable[..., Any], corner_shop: Any, tmp_path: Path
) -> None:
    data = corner_shop.write(tmp_path / "data")
    toml = "[training]\nwindows = 1\n[sources]\noff = ['ease', 'two-tower']\n[serving.mail]\nbase = 'home'\n"
    toml += "filter = 'price < 1000'\n"
    (data / "recsys.toml").write_text(
        toml + promoting(filter="'title:*'", slots="[2]") + "\ncaps = { brand = 9 }\n" + EXPLORING
    )
    ran = rebuild(data, "--until", "2025-05-01T12:00Z")
    assert ran.code == 0, ran.err
    store = SnapshotStore(tmp_path / "snapshots")
    configs = store.manifest(store.current()).serving_configs
    assert configs["mail"]["caps"] == {"category": 0, "brand": 9, "level": 0}
    assert configs["mail"]["promotions"] == [{"name": "p", "filter": "title:*", "share": 0.1, "slots": [2]}]
    assert configs["mail"]["filter"] == "price < 1000"
    assert configs["mail"]["exploration"] == {"share": 0.5, "max_age_days": 28.0}
    assert not {"policies", "freshness", "caps", "promotions", "filter", "exploration"} & set(configs["home"])
    snapshot = Snapshot.read(store.open(store.current()))
    assert snapshot.configs["mail"].active[-3:] == ("caps", "promotions", "exploration")
    snapshot.replay_golden()
    assert len(snapshot.recommend(Ask(at=snapshot.last_event_at + 1, serving_config="mail", limit=6)).slate) == 6

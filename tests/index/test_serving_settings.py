"""Serving configs that a recsys.toml declares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from index.serving_settings import RESERVED, SOURCES, ServingSettings
from index.settings import OPTIONAL_SOURCES, Settings
from recsys.ask import Ask
from recsys.errors import InputError
from recsys.model import Snapshot
from recsys.serving import Depth, Scope, built_in
from recsys.snapshot.store import SnapshotStore

NEWSLETTER = """
[serving.newsletter]
base = "home"
description = "Six for the weekly mail"
page_size = 6
diversity = 2
spread = 0.1
scope = "new"
sources = { als = 30, popular = 10 }

[serving.plain]
base = "discover"
"""


def declared(tmp_path: Path, toml: str) -> Settings:
    path = tmp_path / "recsys.toml"
    path.write_text(toml, encoding="utf-8")
    return Settings.read(path)


def test_every_key_is_read(tmp_path: Path) -> None:
    assert declared(tmp_path, NEWSLETTER).serving == {
        "newsletter": ServingSettings(
            base="home",
            description="Six for the weekly mail",
            page_size=6,
            scope="new",
            sources={"als": 30, "popular": 10},
            diversity=2.0,
            spread=0.1,
        ),
        "plain": ServingSettings(base="discover"),
    }


def test_what_is_declared_differs_from_its_base_and_the_rest_is_as_there() -> None:
    base = built_in()["home"]
    settings = ServingSettings("home", page_size=6, sources={"popular": 10, "history": 5})

    config = settings.on("newsletter", base)

    assert (config.name, config.page_size, config.ranker) == ("newsletter", 6, "home")
    assert config.depths == (Depth("popular", 10, Scope.NEW), Depth("history", 5, Scope.ANY))
    assert (config.scope, config.diversity, config.description) == (base.scope, base.diversity, base.description)
    assert ServingSettings("home").on("same", base).depths == base.depths


def test_sources_of_new_items_look_among_owned_ones_where_only_those_are_shown() -> None:
    config = ServingSettings("home", scope="owned").on("again", built_in()["home"])

    assert config.scope is Scope.OWNED
    assert {depth.scope for depth in config.depths} == {Scope.ANY}


def test_every_source_that_can_be_switched_off_can_be_asked() -> None:
    assert set(OPTIONAL_SOURCES) < set(SOURCES)


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("serving = 3", "serving must be a table, got 3"),
        ("[serving]\nx = 3", "serving.x must be a table, got 3"),
        ("[serving.home]\npage_size = 6", 'serving.home is built in: declare another name with base = "home"'),
        ("[serving.newcomers]\nbase = 'home'", "serving.newcomers is a reserved name: choose another"),
        ("[serving.Mail]\nbase = 'home'", "serving has the name 'Mail'; a name has at most 64 lower-case letters"),
        ("[serving.x]\npage_size = 6", "serving.x lacks base; allowed are home, discover, buy-again, similar"),
        (
            "[serving.x]\nbase = 'mail'",
            "serving.x.base must be one of home, discover, buy-again, similar, search, got 'mail'",
        ),
        ("[serving.x]\nbase = 'home'\nsize = 6", "unknown key serving.x.size; allowed are base, description"),
        ("[serving.x]\nbase = 'home'\npage_size = 201", "serving.x.page_size must be a whole number from 1 to 200"),
        ("[serving.x]\nbase = 'home'\ndiversity = -1", "serving.x.diversity must be a number of at least 0, got -1"),
        ("[serving.x]\nbase = 'home'\nspread = inf", "serving.x.spread must be finite, got inf"),
        ("[serving.x]\nbase = 'home'\nscope = 'mine'", "serving.x.scope must be one of any, new, owned, got 'mine'"),
        ("[serving.x]\nbase = 'home'\nsources = {}", "serving.x.sources must name at least one source, of history"),
        (
            "[serving.x]\nbase = 'home'\nsources = { mail = 3 }",
            "unknown key serving.x.sources.mail; allowed are history",
        ),
        ("[serving.x]\nbase = 'home'\nsources = { als = 0 }", "serving.x.sources.als must be a whole number from 1 to"),
        ("[serving.x]\nbase = 'home'\nsources = ['als']", "serving.x.sources must be a table, got ['als']"),
        ("[serving.x]\nbase = 'home'\ndescription = ''", "serving.x.description must be a text that is not empty"),
        (f"[serving.x]\nbase = 'home'\ndescription = '{'x' * 501}'", "serving.x.description must have at most 500"),
        (
            "[sources]\noff = ['ease']\n[serving.x]\nbase = 'home'\nsources = { ease = 3 }",
            "serving.x.sources asks 'ease', which sources.off switches off",
        ),
        (
            "".join(f"[serving.x{i}]\nbase = 'home'\n" for i in range(65)),
            "serving must declare at most 64 serving configs, got 65",
        ),
    ],
)
def test_what_cannot_be_served_is_one_sentence_that_names_the_key(tmp_path: Path, toml: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        declared(tmp_path, toml)

    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_reserved_names_are_not_built_in_ones() -> None:
    assert not set(RESERVED) & set(built_in())


def test_a_rebuild_keeps_what_is_declared_in_the_manifest_and_serves_it(
    rebuild: Callable[..., Any], corner_shop: Any, tmp_path: Path
) -> None:
    data = corner_shop.write(tmp_path / "data")
    toml = "[training]\nwindows = 1\n[sources]\noff = ['ease', 'two-tower']\n"
    mail = "[serving.mail]\nbase = 'discover'\npage_size = 6\nspread = 0.25\nsources = { popular = 40, fresh = 3 }\n"
    (data / "recsys.toml").write_text(toml + mail)

    ran = rebuild(data, "--until", "2025-05-01T12:00Z")

    assert ran.code == 0, ran.err
    store = SnapshotStore(tmp_path / "snapshots")
    manifest = store.manifest(store.current())
    declared = manifest.serving_configs["mail"]
    assert (declared["page_size"], declared["spread"], declared["ranker"]) == (6, 0.25, "discover")
    assert [depth["source"] for depth in declared["depths"]] == ["popular", "fresh"]
    assert manifest.config["serving"]["mail"]["base"] == "discover"
    assert manifest.fusion_choices["mail"] == manifest.fusion_choices["discover"]
    snapshot = Snapshot.read(store.open(store.current()))
    answer = snapshot.recommend(Ask(at=snapshot.last_event_at + 1, user_id="u1", serving_config="mail"))
    assert len(answer.slate) == 6
    lacks_fresh = "fresh" not in manifest.sources
    assert ("serving config mail asks sources that this snapshot is without: fresh" in ran.err) == lacks_fresh

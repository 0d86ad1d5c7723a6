"""Where the asker is: told, last seen before the question, or unknown; and what the ranker is told of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.features.assemble import assemble
from recsys.fusion import of_source
from recsys.model import Snapshot
from recsys.platforms import UNKNOWN
from recsys.stores.records import LiveEvent, Person

from .small_worlds import DAY, NOW, snapshot_of

NAMES = ("app", "web", "mini-program")
APP, WEB, MINI = range(3)
# By user: newest first. u00 was on the web last, but for something that names no platform; u02 has done nothing.
EVENTS = [(0, 1, 2.0), (0, 2, 5.0), (0, 3, 9.0), (1, 3, 1.0)]
PLATFORMS = [UNKNOWN, WEB, APP, MINI]


@pytest.fixture(scope="module")
def world() -> Snapshot:
    return on(snapshot_of(EVENTS, n_users=3, n_items=6), NAMES)


def on(snapshot: Snapshot, names: tuple[str, ...]) -> Snapshot:
    histories = replace(snapshot.histories, platforms=frozen(PLATFORMS, np.int8))
    model = replace(snapshot.model, context=replace(snapshot.model.context, platforms=names))
    return replace(snapshot, histories=histories, model=model, pipeline=model.pipeline({}))


def kept(days: float, platform: str) -> LiveEvent:
    return LiveEvent(f"e{days}", "view", (NOW - round(days * DAY)) * 1_000_000, "u00", item_id="i04", platform=platform)


def platform(world: Snapshot, person: Person, told: str = "", *, at: int = NOW) -> int:
    return resolve(Ask(at=at, person=person, platform=told), world).query.platform


def test_it_is_the_one_of_the_newest_event_before_the_question_that_names_one(world: Snapshot) -> None:
    assert platform(world, Person("u00")) == WEB
    assert platform(world, Person("u00"), at=NOW - 5 * DAY) == APP
    assert platform(world, Person("u00"), at=NOW - 9 * DAY) == UNKNOWN
    assert platform(world, Person("u02")) == platform(world, Person("stranger")) == UNKNOWN


def test_what_the_caller_tells_comes_first_whatever_its_case(world: Snapshot) -> None:
    assert platform(world, Person("u00"), "Mini-Program") == MINI
    assert platform(world, Person("stranger"), "app") == APP
    assert platform(world, Person("u00"), "watch") == UNKNOWN


def test_one_person_on_several_platforms_is_where_they_were_last(world: Snapshot) -> None:
    assert platform(world, Person("u00", ("u01",))) == MINI
    assert platform(world, Person("u00", ("u01",)), at=NOW - 2 * DAY) == WEB


def test_a_kept_event_counts_from_its_time_on(world: Snapshot) -> None:
    person = Person("u00", events=(kept(3.0, "APP"), kept(4.0, "mini-program"), kept(1.0, ""), kept(-1.0, "web")))
    assert platform(world, person) == APP
    assert platform(world, person, at=NOW - round(3.5 * DAY)) == MINI
    assert platform(world, Person("u00", events=(kept(7.0, "app"),))) == WEB


def test_nothing_is_concluded_from_what_was_erased(world: Snapshot) -> None:
    assert platform(world, Person("u00", erased_us=(NOW - 5 * DAY) * 1_000_000)) == UNKNOWN
    assert platform(world, Person("u00", erased_us=(NOW - 6 * DAY) * 1_000_000)) == WEB


def columns(world: Snapshot, person: Person, told: str = "") -> list[list[float]]:
    query = resolve(Ask(at=NOW, person=person, platform=told), world).query
    pipeline = world.pipeline
    features, _ = assemble(pipeline.families, [query], [pipeline.retrieve(query)[0]], pipeline.context)
    mine = [place for place, name in enumerate(world.feature_names) if name.startswith("platform: ")]
    rows: list[list[float]] = features[:, mine].tolist()
    return rows


def test_the_ranker_sees_one_column_a_platform(world: Snapshot) -> None:
    assert world.feature_names[-3:] == ("platform: app", "platform: web", "platform: mini-program")
    assert all(row == [0, 1, 0] for row in columns(world, Person("u00")))
    assert all(row == [1, 0, 0] for row in columns(world, Person("u00"), "app"))
    assert np.isnan(columns(world, Person("u02"))).all()
    assert len(columns(world, Person("u00"))) > 1


def test_where_everybody_is_on_one_there_is_nothing_to_see() -> None:
    one = on(snapshot_of(EVENTS, n_users=3, n_items=6), ("app",))
    assert not any(name.startswith("platform: ") for name in one.feature_names)


def test_a_platform_may_be_named_like_a_column_of_a_source() -> None:
    assert not of_source("platform: page_rank")
    assert of_source("page_rank")

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from recsys.policy_settings import CapSettings, ExplorationSettings, FreshnessSettings, Promotion
from recsys.serving import Depth, Scope, ServingConfig, built_in
from recsys.snapshot.canonical import canonical


def test_the_configs_every_snapshot_has_are_known_by_their_names() -> None:
    configs = built_in()
    assert {"home", "discover", "buy-again", "similar"} <= set(configs)
    assert all(config.name == name for name, config in configs.items())


@pytest.mark.parametrize("name", sorted(built_in()))
def test_a_config_survives_json(name: str) -> None:
    config = built_in()[name]
    assert ServingConfig.from_json(config.to_json()) == config


def test_every_field_of_a_config_survives_json() -> None:
    config = ServingConfig(
        "odd",
        (Depth("a", 3, Scope.OWNED), Depth("b", 4)),
        ranker="r",
        scope=Scope.NEW,
        page_size=7,
        needs_context=True,
        diversity=0.4,
        spread=0.15,
        description="An odd one",
        policies=("spread", "promotions", "caps", "exploration"),
        freshness=FreshnessSettings(0.5, 14.0),
        caps=CapSettings(category=3, level=2),
        promotions=(Promotion("p", "price < 3", 0.2, (3, 7)), Promotion("q", "title:*", 0.1)),
        filter="price < 9",
        exploration=ExplorationSettings(0.1, 14.0),
    )
    assert ServingConfig.from_json(config.to_json()) == config
    assert ServingConfig.from_json(json.loads(canonical(config.to_json()))) == config


@pytest.mark.parametrize("name", sorted(set(built_in()) - {"search"}))
def test_a_config_of_before_there_were_such_policies_stays_as_it_was_signed(name: str) -> None:
    known = {"name", "depths", "ranker", "scope", "page_size", "needs_context", "diversity", "spread", "description"}
    values = built_in()[name].to_json()
    assert set(values) == known
    assert canonical(ServingConfig.from_json(json.loads(canonical(values))).to_json()) == canonical(values)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"policies": ["cap"]},
            "policies has 'cap'; there are freshness, spread, diversity, caps, promotions, exploration",
        ),
        ({"policies": ["caps", "caps"]}, "policies must name each policy once"),
        ({"policies": ["promotions", "diversity"]}, "policies has diversity too late"),
        ({"caps": {"category": 11, "brand": 0, "level": 0}}, "caps must be from 1 to 10 items"),
        ({"policies": ["exploration", "caps"]}, "policies has exploration too early: it comes last"),
        ({"exploration": {"share": 0.6, "max_age_days": 3}}, "exploration must have a share from 0 to 0.5"),
        ({"exploration": {"share": float("nan"), "max_age_days": 3}}, "exploration must have a share from 0 to 0.5"),
        ({"exploration": {"share": 0.1, "max_age_days": 0}}, "exploration must have a share from 0 to 0.5 and an age"),
        ({"freshness": {"weight": float("nan"), "half_life_days": 3}}, "freshness must have a weight"),
        ({"promotions": [{"name": "p", "filter": "x", "share": 1.1, "slots": []}]}, "must have a share from 0 to 1"),
        ({"promotions": [{"name": "p", "filter": " ", "share": 1.0, "slots": []}]}, "must have a name and a filter"),
    ],
)
def test_a_manifest_whose_policies_make_no_sense_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ServingConfig.from_json({**ServingConfig("odd", ()).to_json(), **changes})


def test_only_policies_that_have_something_to_say_are_active() -> None:
    config = ServingConfig("odd", (), spread=0.1, freshness=FreshnessSettings(0.0), caps=CapSettings(brand=1))
    assert config.active == ("spread", "caps")
    assert replace(config, policies=("caps",)).active == ("caps",)
    assert config.varied(0.5).active == ("spread", "diversity", "caps")
    assert replace(config, policies=("caps",)).varied(0.5).active == ("diversity", "caps")
    assert config.varied(0.0).active == ("spread", "caps")
    assert replace(config, exploration=ExplorationSettings(0.1)).active == ("spread", "caps", "exploration")
    assert replace(config, exploration=ExplorationSettings(0.0)).active == ("spread", "caps")


@pytest.mark.parametrize("name", sorted(built_in()))
def test_no_config_asks_a_source_twice(name: str) -> None:
    # Hits are kept by source: the second list would silently replace the first.
    sources = [depth.source for depth in built_in()[name].depths]
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("weight", ["diversity", "spread"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_would_turn_a_policy_round_is_refused(weight: str, value: float) -> None:
    with pytest.raises(ValueError, match="'odd'"):
        ServingConfig("odd", (), **{weight: value})
    with pytest.raises(ValueError, match="'odd'"):
        ServingConfig.from_json({**ServingConfig("odd", ()).to_json(), weight: value})


def test_buying_again_is_not_a_matter_of_variety() -> None:
    config = built_in()["buy-again"]
    assert (config.diversity, config.spread) == (0.0, 0.0)

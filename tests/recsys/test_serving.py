from __future__ import annotations

import pytest

from recsys.serving import Depth, Scope, ServingConfig, built_in


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
    )
    assert ServingConfig.from_json(config.to_json()) == config


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

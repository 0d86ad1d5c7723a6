"""Searches: what fits the text, in an order of relevance and of the user's taste, under the rules of every list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.ask import Ask, resolve
from recsys.errors import InvalidRequest
from recsys.features.groups import CONTEXT, GROUPS
from recsys.fusion import LINEAR, Fusion, LinearFusion
from recsys.lexical import WordIndex
from recsys.model import Snapshot
from recsys.query import Recommendation
from recsys.serving import ServingConfig, built_in
from recsys.sources.relevance import RELEVANCE, terms

from .small_worlds import NOW, snapshot_of

TITLES = ["oat milk", "whole milk", "milk chocolate", "diapers", "tofu", "goat milk"]
OAT, WHOLE, CHOCOLATE, DIAPERS, TOFU, GOAT = range(6)
# Axes: dairy, baby, vegetarian food.
VECTORS = [[0.8, 0, 0.6], [1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0.1]]
DAIRY, VEGETARIAN = (np.array(axis, np.float32) for axis in ([1, 0, 0], [0, 0, 1]))
# u00 buys chocolate again and again, u01 tofu; goat milk is the most popular.
EVENTS = [
    *((0, CHOCOLATE, days) for days in (3.0, 10.0, 17.0, 24.0)),
    (1, TOFU, 5.0),
    *((user, GOAT, float(user)) for user in range(2, 8)),
    (2, WHOLE, 3.0),
]


@pytest.fixture(scope="module")
def shop() -> Snapshot:
    made = snapshot_of(EVENTS, n_users=8, n_items=6, vectors=VECTORS, text_of=range(6), titles=TITLES)
    return replace(made, words=WordIndex.of(TITLES))


def asked(shop: Snapshot, text: str, user_id: str = "", **fields: object) -> Recommendation:
    return shop.recommend(Ask(**{"at": NOW, "user_id": user_id, "serving_config": "search", "text": text, **fields}))  # type: ignore[arg-type]


def shown(found: Recommendation) -> list[int]:
    return found.slate.items.tolist()


def test_only_what_fits_is_found_and_the_named_product_is_first(shop: Snapshot) -> None:
    assert set(shown(asked(shop, "milk"))) == {OAT, WHOLE, CHOCOLATE, GOAT}
    assert shown(asked(shop, "oat milk"))[0] == OAT
    assert shown(asked(shop, "diapers", "u00")) == [DIAPERS]


def test_meaning_finds_what_no_word_says(shop: Snapshot) -> None:
    assert shown(asked(shop, "something for a vegetarian barbecue")) == []
    found = shown(asked(shop, "something for a vegetarian barbecue", vector=VEGETARIAN))
    assert (found[0], len(found)) == (TOFU, 6)


def test_of_equal_fit_the_user_s_own_comes_first(shop: Snapshot) -> None:
    config = built_in()["search"]
    fusions = {"home": Fusion(LINEAR, LinearFusion(("history_rank", "popular_rank"), (0, 0), (1, 1), (2, 1)))}
    shop = replace(shop, pipeline=replace(shop.pipeline, fusions=fusions))
    even = replace(shop, configs={"search": replace(config, relevance=1e-6)})
    assert shown(asked(even, "milk", "u00"))[0] == CHOCOLATE
    assert shown(asked(even, "milk"))[0] == GOAT
    strict = replace(shop, configs={"search": replace(config, relevance=1e6)})
    assert shown(asked(strict, "oat milk", "u00"))[0] == OAT


def test_rules_hold_as_in_every_list(shop: Snapshot) -> None:
    assert OAT not in shown(asked(shop, "milk", exclude_item_ids=("i00",)))
    assert shown(asked(shop, "milk", filter='title:"whole"')) == [WHOLE]
    loose = asked(shop, "milk", filter='title:"whole"', strict_filtering=False)
    assert shown(loose)[0] == WHOLE
    assert set(shown(loose)) == {OAT, WHOLE, CHOCOLATE, GOAT}
    ask = Ask(at=NOW, serving_config="search", text="milk", filter='title:"tofu"', strict_filtering=False)
    assert resolve(ask, shop).warnings == ()
    assert loose.warnings == ("only 1 item passes the filter: the last 3 of 4 are popular and ignore it",)


def test_a_page_is_the_beginning_of_a_longer_page(shop: Snapshot) -> None:
    whole = shown(asked(shop, "milk", "u00", limit=6))
    assert [shown(asked(shop, "milk", "u00", limit=n)) for n in range(1, 7)] == [whole[:n] for n in range(1, 7)]


def test_where_it_stood_among_what_fits_is_told(shop: Snapshot) -> None:
    found = asked(shop, "whole milk")
    column = found.provenance.names.index(RELEVANCE)
    assert found.provenance.names[:-1] == tuple(shop.pipeline.sources)
    assert sorted(found.provenance.ranks[:, column].tolist()) == [0, 1, 2, 3]
    assert shown(found)[int(np.argmin(found.provenance.ranks[:, column]))] == WHOLE


def test_the_parts_of_a_score_have_relevance_among_the_context_and_sum_to_it(shop: Snapshot) -> None:
    query = resolve(Ask(at=NOW, serving_config="search", text="oat milk", divide_scores=True), shop).query
    found = shop.pipeline.recommend(query)
    assert found.features is not None
    assert query.relevant is not None
    parts = shop.contributions(query, found.slate, found.features)
    np.testing.assert_allclose(parts.sum(axis=1), found.slate.scores, atol=1e-4)
    without = shop.pipeline.contributions(query, found.features, shop.rankers)
    added = terms(query.relevant, found.slate.items, query.config.relevance)
    np.testing.assert_allclose((parts - without)[:, GROUPS.index(CONTEXT)], added)
    assert added.min() < 0


def test_nothing_that_fits_is_said_and_popularity_does_not_stand_in(shop: Snapshot) -> None:
    resolved = resolve(Ask(at=NOW, serving_config="search", text="barbecue"), shop)
    assert resolved.warnings == ("nothing that may be shown has a word of the query or is near it in meaning",)
    assert shown(shop.pipeline.recommend(resolved.query)) == []


def test_a_catalogue_without_texts_finds_nothing_and_does_not_fail() -> None:
    bare = snapshot_of(EVENTS, n_users=8, n_items=6)
    assert shown(asked(bare, "milk", vector=DAIRY)) == []


@pytest.mark.parametrize(("config", "text"), [("search", ""), ("search", " \t"), ("home", "milk")])
def test_a_text_is_asked_of_serving_configs_that_take_one_and_of_no_others(
    shop: Snapshot, config: str, text: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        asked(shop, text, serving_config=config)
    assert [violation.field for violation in raised.value.violations] == ["query"]
    assert repr(config) in raised.value.violations[0].description


def test_what_the_query_forbids_is_in_the_account(shop: Snapshot) -> None:
    rules = resolve(Ask(at=NOW, serving_config="search", text="diapers", account=True), shop).rules
    assert [(rule.name, rule.n_removed) for rule in rules] == [("stock", 0), ("query", 5)]


def test_a_weight_that_is_no_number_of_at_least_0_is_refused() -> None:
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="relevance"):
            ServingConfig("odd", (), relevance=weight)

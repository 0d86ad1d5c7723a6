"""Words and meanings of changed and new items, against the same shop built anew."""

from __future__ import annotations

import numpy as np

from recsys.model import Snapshot
from recsys.overlay.overlay import Basis
from recsys.stores.records import LiveItem

from .changed_shop import NEW, changed_things, queries
from .shop import built, live, things, vector_of


def test_searches_find_words_and_meanings_as_the_shop_built_anew_does(laid_over: Snapshot, anew: Snapshot) -> None:
    everything = np.ones(27, bool)
    for text in ("oolong", "another name", "thing number5", "tools", "brand"):
        for vector in (None, vector_of(text)):
            one, other = (snapshot.relevant(text, vector, everything) for snapshot in (laid_over, anew))
            assert set(one.items.tolist()) == set(other.items.tolist()), text
    assert laid_over.relevant("oolong", None, everything).items.tolist() == [25]
    assert 5 not in laid_over.relevant("number5", None, everything).items.tolist()


def test_content_finds_new_texts_in_their_place_among_the_old(laid_over: Snapshot, anew: Snapshot) -> None:
    for one, other in zip(queries(laid_over), queries(anew), strict=True):
        for name in ("content", "similar-content"):
            hits, expected = (
                snapshot.pipeline.sources[name].retrieve(query, 40)
                for snapshot, query in ((laid_over, one), (anew, other))
            )
            assert hits.items.tolist() == expected.items.tolist()
            np.testing.assert_allclose(hits.scores, expected.scores, rtol=1e-4, atol=1e-6)


def test_until_it_is_embedded_a_new_item_comes_by_words_and_a_changed_one_by_its_old_text() -> None:
    base = Basis(built(things()))
    now = changed_things()
    overlay = base.over([live(NEW[1], 3), live(now[5], 4)], {})
    assert sorted(overlay.waiting.values()) == sorted([NEW[1].text, now[5].text])
    texts = overlay.snapshot.model.context.texts
    assert texts is not None
    assert texts.text_of[np.array([5, 24])].tolist() == [5, -1]
    assert overlay.snapshot.relevant("oolong", None, np.ones(25, bool)).items.tolist() == [24]


def test_a_text_that_was_emptied_is_near_nothing() -> None:
    fields = dict.fromkeys(("title", "category", "brand"))
    now = Basis(built(things())).over([LiveItem("i05", fields, 1)], {}).snapshot
    texts = now.model.context.texts
    assert texts is not None
    assert texts.text_of[5] == -1
    assert now.catalogue.titles[5] == "i05"
    assert 5 not in now.relevant("number5", vector_of("Thing number5. Food > Tea. Brand 1"), np.ones(24, bool)).items

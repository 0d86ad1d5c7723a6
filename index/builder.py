"""What all steps of a build share: the data, and everything fitted on it as of a time."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from index.dataset import Codes, Dataset
from index.dataset import Profiles as ProfileTable
from index.embed import embed
from index.fit import Timeless, fit
from index.fit_settings import USUAL, FitSettings
from index.frames import Frame, frame_of
from index.heads import HEADS, NEWCOMERS
from index.impressions import Impressions
from index.labelled import Extent, Labelled
from index.labelled_files import read_labelled, write_labelled
from index.policy_tables import check_filters
from index.policy_weights import PolicyWeights
from index.progress import Stages
from index.scoring import lists_of_source
from index.stage_cache import StageCache
from index.stage_keys import Keys
from index.windows import Window, acts_in, novel_of, sampled, strangers_in, truth_in
from recsys.arrays import Float32, frozen
from recsys.catalogue import Catalogue
from recsys.filters.kept import Filters
from recsys.fusion import Fusion
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.lexical import WordIndex
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.ranker import Forest
from recsys.serving import ServingConfig, built_in
from recsys.text_column import TextColumn

# More queries a window teach the forest little, and bound memory: all negatives of 4,000 x 300 rows x 170 features take
# 0.8 GB in a window that is judged, a sixth of those of 10,000 queries 0.3 GB in one that is not, and as much again
# where it is learnt from all that users did as well. In one process such a window takes 5 ms a user.
MOST_QUERIES = 10_000
MOST_JUDGED = 4_000
# What no head will look at is dropped at once; only judged windows stay whole.
NEGATIVES_KEPT = max(head.negatives for head in HEADS)
# One customer without a history for so many with one; more where orders for them are judged.
STRANGERS = 5
JUDGED_STRANGERS = 300


@dataclass(frozen=True, slots=True)
class Builder:
    """What all steps of one build share. shown: what people were shown, None where nobody kept it."""

    dataset: Dataset
    users: IdMap
    timeless: Timeless
    stages: Stages
    keys: Keys
    kept: StageCache | None
    fitting: FitSettings = USUAL
    words: WordIndex | None = None
    shown: Impressions | None = None

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        *,
        cache: Path,
        stages: Stages,
        kept: StageCache | None = None,
        shown: Impressions | None = None,
    ) -> Builder:
        """Catalogue, profiles and embeddings: what does not depend on when. ``kept``: where rows of windows are.

        InputError when the filter of a serving config does not fit the catalogue: before any text is encoded.
        """
        settings = dataset.settings
        catalogue = catalogue_of(dataset)
        filters = Filters.of(catalogue, dataset.attributes)
        for name, one in settings.serving.items():
            check_filters(one.filters(f"serving.{name}"), filters)
        n_texts = len(set(dataset.items.texts) - {""})
        with stages.stage("embed texts", total=n_texts) as step:
            embedded = embed(
                dataset.items.texts,
                model=settings.encoder.model,
                batch_size=settings.encoder.batch_size,
                cache=cache,
                advance=step.advance,
            )
        stages.print(f"texts: {n_texts:,} distinct, {embedded.n_encoded:,} encoded now, the rest from the cache")
        if dataset.unfiltered:
            stages.print(f"not kept for filters, too many or too large: {', '.join(dataset.unfiltered)}")
        timeless = Timeless.of(
            catalogue,
            profiles_of(dataset.users, len(dataset.user_ids)),
            embedded.vectors,
            embedded.text_of,
            seed=settings.training.seed,
            platforms=dataset.platforms,
        )
        words = WordIndex.of(dataset.items.texts) if n_texts else None
        keys = Keys.of(dataset, timeless)
        fitting = FitSettings.usual(settings.training.days)
        users = IdMap.of(dataset.user_ids)
        return cls(dataset, users, timeless, stages, keys, kept, fitting, words=words, shown=shown)

    def fitting_by(self, fitting: FitSettings) -> Builder:
        """The same that fits sources by ``fitting``; what events weigh is changed in the data and in its settings."""
        return replace(self, fitting=fitting, dataset=self.dataset.weighing_others(fitting.others_weigh))

    def snapshot(self, interactions: Interactions, at: int, *, off: Set[str] = frozenset()) -> Snapshot:
        """Everything fitted on ``interactions``, which lie before ``at``, without rankers.

        off: sources that are not fitted, beside those the settings switch off.
        """
        model = fit(
            self.timeless,
            interactions,
            len(self.users),
            at=at,
            seed=self.dataset.settings.training.seed,
            off=self.all_off(off),
            settings=self.fitting,
            stage=self.stages.stage,
        )
        return self.with_rankers(model, interactions)

    def before(self, window: Window, *, off: Set[str] = frozenset()) -> Snapshot:
        """Everything fitted on what lies before ``window``: what its users are asked of."""
        with self.stages.stage(f"fit sources before {day(window)}"):
            return self.snapshot(self.dataset.interactions.before(window.start), window.start, off=off)

    def all_off(self, off: Set[str]) -> frozenset[str]:
        """``off`` and what the settings switch off."""
        return frozenset(off) | frozenset(self.dataset.settings.sources.off)

    def with_rankers(
        self,
        model: Model,
        interactions: Interactions,
        rankers: Mapping[str, Forest] | None = None,
        fusions: Mapping[str, Fusion] | None = None,
        weights: Mapping[str, PolicyWeights] | None = None,
    ) -> Snapshot:
        """The snapshot of a model that is fitted already; ``weights`` by the name of the serving config."""
        return Snapshot.of(
            model,
            rankers=rankers or {},
            users=self.users,
            histories=Histories.of_interactions(interactions, len(self.users)),
            configs=self._configs(weights or {}),
            last_event_at=int(interactions.times.max()),
            fusions=fusions,
            attributes=self.dataset.attributes,
            words=self.words,
        )

    def _configs(self, weights: Mapping[str, PolicyWeights]) -> dict[str, ServingConfig]:
        """The built-in serving configs as validation weighted them, and those the settings declare on top of them."""
        configs = {name: _weighted(config, weights) for name, config in built_in().items()}
        declared = self.dataset.settings.serving
        return configs | {name: one.on(name, configs[one.base]) for name, one in declared.items()}

    def labelled(
        self, window: Window, extent: Extent, *, off: Set[str] = frozenset(), by: str = "an earlier build"
    ) -> tuple[Labelled, Snapshot | None] | None:
        """The rows of ``window`` and the snapshot they were made with, None when they were kept by an earlier build.

        None altogether for a window in which nobody known took anything. by: who kept them, for people.
        """
        if self.kept is None:
            return self._worked_out(window, extent, off=off)
        key = self._key(window, extent, off=off)
        if (known := self.kept.read(key, read_labelled)) is not None:
            self.stages.print(f"candidates and features {day(window)}: kept by {by}")
            return known, None
        if (found := self._worked_out(window, extent, off=off)) is not None:
            with self.stages.stage(f"keep rows of {day(window)}"):
                self.kept.write(key, lambda out: write_labelled(out, found[0]))
        return found

    def has_rows(self, window: Window, extent: Extent, *, off: Set[str] = frozenset()) -> bool:
        """Whether ``labelled`` finds the rows of ``window`` kept; they may turn out to be damaged."""
        return self.kept is not None and self.kept.has(self._key(window, extent, off=off))

    def _key(self, window: Window, extent: Extent, *, off: Set[str]) -> str:
        off = self.all_off(off)
        return self.keys.of_window(self.dataset.interactions, window, extent, off=off, fitting=self.fitting)

    def _worked_out(self, window: Window, extent: Extent, *, off: Set[str]) -> tuple[Labelled, Snapshot] | None:
        whole = extent.whole
        everything, n_items = self.dataset.interactions, len(self.dataset.item_ids)
        seed = self.dataset.settings.training.seed
        truth = sampled(truth_in(everything, window, n_items), MOST_JUDGED if whole else MOST_QUERIES, seed)
        if not len(truth):
            return None
        past = everything.before(window.start)
        # Some who come for the first time: without them a ranker has never seen a customer without a history.
        strangers = strangers_in(everything, window, n_items)
        strangers = sampled(strangers, max(len(truth) // STRANGERS, JUDGED_STRANGERS if whole else 1), seed)
        asked = truth.joined(strangers, n_items)
        before = self.before(window, off=off)
        with self.stages.stage(f"candidates and features {day(window)}", total=len(asked)) as step:
            frame = frame_of(
                before,
                asked,
                self.dataset.user_ids,
                at=window.start,
                share=1.0 if whole else NEGATIVES_KEPT,
                rng=None if whole else np.random.default_rng(seed),
                advance=step.advance,
            )
        truths = {"all": truth, "novel": novel_of(truth, past, n_items), NEWCOMERS.task: strangers}
        plain = {
            head.task: {
                name: lists_of_source(before, name, head.name, truths[head.task].users, at=window.start)
                for name in ("history", "popular")
            }
            for head in HEADS
            if whole and len(truths[head.task])
        }
        acted = self._acted(before, window, extent.n_acted) if extent.n_acted else None
        return Labelled(window, asked, truths, frame, whole, plain, before.feature_names, acted), before

    def _acted(self, before: Snapshot, window: Window, most: int) -> Frame:
        """Rows of ``most`` of those who did anything in ``window``, and of some strangers, labelled by all they did."""
        everything, n_items = self.dataset.interactions, len(self.dataset.item_ids)
        seed = self.dataset.settings.training.seed
        acts = sampled(acts_in(everything, window, n_items), most, seed)
        strangers = strangers_in(everything, window, n_items, targets_only=False)
        acts = acts.joined(sampled(strangers, max(len(acts) // STRANGERS, 1), seed), n_items)
        with self.stages.stage(f"candidates of all who did anything {day(window)}", total=len(acts)) as step:
            return frame_of(
                before,
                acts,
                self.dataset.user_ids,
                at=window.start,
                share=NEGATIVES_KEPT,
                rng=np.random.default_rng(seed),
                advance=step.advance,
            )


def _weighted(config: ServingConfig, weights: Mapping[str, PolicyWeights]) -> ServingConfig:
    return weights[config.name].on(config) if config.name in weights else config


def catalogue_of(dataset: Dataset) -> Catalogue:
    """The catalogue's columns as the snapshot keeps them."""
    items = dataset.items
    return Catalogue(
        items=IdMap.of(dataset.item_ids),
        titles=TextColumn.of(items.titles),
        categories=TextColumn.of(items.categories),
        brands=TextColumn.of(items.brands),
        prices=frozen(items.prices, np.float32),
        in_stock=frozen(items.in_stock, np.bool_),
        created_at=frozen(items.created_at, np.int64),
        codes={name: frozen(column.codes, np.int32) for name, column in items.codes.items()},
        gone=items.gone,
    )


def profiles_of(table: ProfileTable, n_users: int) -> Profiles:
    """Profile columns as one float table; category codes become whole numbers, missing becomes NaN."""
    columns: list[Float32] = []
    for column in table.columns.values():
        if isinstance(column, Codes):
            columns.append(np.where(column.codes < 0, np.nan, column.codes).astype(np.float32))
        else:
            columns.append(column)
    values = np.stack(columns, axis=1) if columns else np.empty((n_users, 0), np.float32)
    labels = {name: tuple(column.labels) for name, column in table.columns.items() if isinstance(column, Codes)}
    return Profiles(tuple(table.columns), frozen(values, np.float32), labels)


def day(window: Window) -> str:
    """The day it begins, for people."""
    return str(np.datetime64(window.start, "s").astype("datetime64[D]"))

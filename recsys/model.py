"""What has been fitted, and the snapshot around it: everything an answer needs, ready to answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32
from recsys.ask import Ask, resolve
from recsys.asker import People
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.errors import FilterError, SchemaMismatch, SnapshotCorrupt
from recsys.features.assemble import families_of, feature_names
from recsys.features.groups import CONTEXT, GROUPS
from recsys.filters.columns import Column
from recsys.filters.kept import Filters
from recsys.fusion import FOREST, Fusion
from recsys.golden import of_json, to_json
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.lexical import WordIndex
from recsys.pipeline import Pipeline
from recsys.policies.freshness import new_items
from recsys.profiles import Profiles
from recsys.query import Hits, Query, Recommendation, Slate
from recsys.ranker import Forest, Ranker
from recsys.recent import EventRules
from recsys.serving import ServingConfig
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.snapshot.manifest import Manifest
from recsys.sources.content import Content
from recsys.sources.factors import Factors
from recsys.sources.own_history import OwnHistory
from recsys.sources.popular import Popular
from recsys.sources.protocol import Source
from recsys.sources.relevance import relevant, terms
from recsys.sources.similar import SimilarContent, SimilarFactors
from recsys.sources.stored import StoredSource, read_sources, write_sources
from recsys.statistics import ItemStatistics
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex

PLATFORMS_FILE = "platforms.json"


@dataclass(frozen=True, slots=True)
class Model:
    """What is fitted as of a time, and what it is made of: the part of a snapshot that training windows also have."""

    context: Context
    popular: Popular
    factors: Factors | None
    content: Content | None
    more: tuple[StoredSource, ...] = ()

    @property
    def sources(self) -> dict[str, Source]:
        """All sources by name; the order is that of the feature columns."""
        sources: list[Source] = [OwnHistory(), self.popular]
        if self.factors is not None:
            sources += [self.factors, SimilarFactors(self.factors)]
        if self.content is not None:
            sources += [self.content, SimilarContent(self.content.texts, self.content.index)]
        return {source.name: source for source in (*sources, *self.more)}

    def without(self, sources: Set[str]) -> Model:
        """The same without some of ``more``."""
        return replace(self, more=tuple(source for source in self.more if source.name not in sources))

    def pipeline(self, rankers: Mapping[str, Forest], fusions: Mapping[str, Fusion] | None = None) -> Pipeline:
        """The online path over this model; a ranker without a fusion of its name scores alone."""
        sources = self.sources
        alone = {name: Fusion(FOREST) for name in rankers}
        return Pipeline(
            self.context, sources, families_of(self.context, sources), rankers, {**alone, **(fusions or {})}
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``version`` "" and ``golden`` empty until it has been written; ``last_event_at`` in epoch seconds."""

    model: Model
    pipeline: Pipeline
    rankers: Mapping[str, Forest]
    users: IdMap
    histories: Histories
    configs: Mapping[str, ServingConfig]
    filters: Filters
    last_event_at: int
    manifest: Manifest | None = None
    golden: tuple[tuple[Ask, tuple[str, ...]], ...] = ()
    words: WordIndex | None = None

    @property
    def version(self) -> str:
        """The manifest's version."""
        return self.manifest.version if self.manifest else ""

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.model.context.catalogue

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        rankers: Mapping[str, Forest],
        users: IdMap,
        histories: Histories,
        configs: Mapping[str, ServingConfig],
        last_event_at: int,
        fusions: Mapping[str, Fusion] | None = None,
        attributes: Mapping[str, Column] | None = None,
        words: WordIndex | None = None,
    ) -> Snapshot:
        """A snapshot in memory, as a rebuild has it; ``attributes`` of items, by name, are there for filters alone.

        words: of the items' texts, for searches; None finds nothing by its words.

        FilterError when a filter of ``configs`` does not fit the catalogue.
        """
        filters = Filters.of(model.context.catalogue, attributes or {})
        _pin(filters, configs)
        pipeline = model.pipeline(rankers, fusions)
        return cls(model, pipeline, rankers, users, histories, configs, filters, last_event_at, words=words)

    @property
    def people(self) -> People:
        """What is known of people."""
        context = self.model.context
        return People(self.users, self.catalogue, self.histories, context.profiles, self.event_rules, context.platforms)

    def ranked_by(self, rankers: Mapping[str, Ranker]) -> Snapshot:
        """The same snapshot that scores with ``rankers`` where they are named; what it would write stays as it is."""
        return replace(self, pipeline=replace(self.pipeline, rankers={**self.pipeline.rankers, **rankers}))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns the rankers were trained on, in order."""
        return feature_names(self.pipeline.families)

    def write(self, out: SnapshotWriter) -> None:
        """All files but the manifest and the reports."""
        context = self.model.context
        context.catalogue.write(out)
        self.filters.write(out)
        self.users.write(out, "users.ids")
        self.histories.write(out)
        context.profiles.write(out)
        context.statistics.write(out)
        if context.platforms:
            out.json(PLATFORMS_FILE, list(context.platforms))
        self.model.popular.write(out)
        if self.model.factors is not None:
            self.model.factors.write(out)
        if self.model.content is not None:
            self.model.content.texts.write(out)
            self.model.content.index.write(out, "content")
        if self.words is not None:
            self.words.write(out)
        write_sources(out, self.model.more)
        for name, ranker in self.rankers.items():
            out.text(ranker_file(name), ranker.text)
        out.json("rankers.json", sorted(self.rankers))
        out.json("fusions.json", {name: fusion.to_json() for name, fusion in self.pipeline.fusions.items()})
        out.json("golden.json", [to_json(ask, self.answer(ask)) for ask in self.golden_asks()])

    @classmethod
    def read(cls, src: SnapshotReader) -> Snapshot:
        """The snapshot in a folder whose files have been verified; arrays and indexes are memory-mapped."""
        manifest = Manifest.read(src.folder)
        factors = Factors.read(src) if src.has("als.factors") else None
        content = Content(TextVectors.read(src), VectorIndex.read(src, "content")) if src.has("texts.vectors") else None
        context = Context.of(
            Catalogue.read(src),
            ItemStatistics.read(src),
            profiles=Profiles.read(src),
            factors=factors.model if factors else None,
            texts=content.texts if content else None,
            platforms=tuple(src.json(PLATFORMS_FILE)) if src.has(PLATFORMS_FILE) else (),
        )
        model = Model(context, Popular.read(src), factors, content, read_sources(src))
        names = feature_names(families_of(context, model.sources))
        if names != manifest.features:
            raise SchemaMismatch("the snapshot was trained on other features than this version of the code computes")
        rankers = {name: Forest.of_text(src.text(ranker_file(name)), names) for name in src.json("rankers.json")}
        fusions = {name: Fusion.from_json(values) for name, values in src.json("fusions.json").items()}
        for name, fusion in fusions.items():
            fusion.bound(names, rankers.get(name))  # one that lacks a part is refused now, not by every question
        configs = {name: ServingConfig.from_json(v) for name, v in manifest.serving_configs.items()}
        filters = Filters.read(src, model.context.catalogue)
        try:
            _pin(filters, configs)
        except FilterError as error:
            raise SnapshotCorrupt(f"the filter of a serving config does not fit the catalogue: {error}") from error
        return cls(
            model=model,
            pipeline=model.pipeline(rankers, fusions),
            rankers=rankers,
            users=IdMap.read(src, "users.ids"),
            histories=Histories.read(src),
            configs=configs,
            filters=filters,
            last_event_at=manifest.event_window_end,
            manifest=manifest,
            golden=tuple(of_json(entry) for entry in src.json("golden.json")),
            words=WordIndex.read(src) if src.has("words.words") else None,
        )

    def relevant(self, text: str, vector: Float32 | None, allowed: Bool) -> Hits:
        """The items of ``allowed`` (n_items,) that are about ``text``, best first; ``vector`` as in ``Ask``."""
        return relevant(self.words, self.model.content, text, vector, allowed)

    def new_items(self, allowed: Bool, at: int, max_age_days: float) -> Int32:
        """The items of ``allowed`` (n_items,) that are at most so old at ``at`` (epoch seconds); numbers ascending."""
        return new_items(allowed, self.model.context, at, max_age_days)

    def recommend(self, ask: Ask) -> Recommendation:
        """The answer to ``ask``, in numbers."""
        return self.pipeline.recommend(resolve(ask, self).query)

    def contributions(self, query: Query, slate: Slate, features: Float32) -> Float64:
        """``Pipeline.contributions``, by the rankers as they were written even where compiled ones score.

        slate: the answer to ``query`` (N,), with ``features`` (N, F). Relevance to a text counts as context.
        """
        divided = self.pipeline.contributions(query, features, self.rankers)
        if query.relevant is not None:
            divided[:, GROUPS.index(CONTEXT)] += terms(query.relevant, slate.items, query.config.relevance)
        return divided

    @property
    def encoder_model(self) -> str:
        """The model that made the texts' vectors, as the manifest says; "" where it does not."""
        encoder = self.manifest.config.get("encoder", {}) if self.manifest else {}
        return str(encoder.get("model", ""))

    @property
    def event_rules(self) -> EventRules:
        """How events count, as the manifest says."""
        return EventRules.of(self.manifest.config if self.manifest else {})

    @property
    def target_types(self) -> tuple[str, ...]:
        """The event types that are predicted, as the manifest says; () where it does not."""
        events = self.manifest.config.get("events", {}) if self.manifest else {}
        return tuple(events.get("target_types", ()))

    def answer(self, ask: Ask) -> tuple[str, ...]:
        """Item ids of the answer to ``ask``, best first."""
        return tuple(self.catalogue.items.ids(self.recommend(ask).slate.items))

    def golden_asks(self, n_users: int = 4) -> Iterator[Ask]:
        """Questions whose answers are kept in the snapshot: the first loads that run them warm it up and test it."""
        lengths = np.diff(self.histories.starts)
        longest = np.lexsort((np.arange(len(lengths)), -lengths))
        spread = longest[:: max(1, len(longest) // n_users)][:n_users]
        for name, config in self.configs.items():
            if config.needs_context or config.needs_query:
                continue
            for user_id in ("", *self.users.ids(spread)):
                yield Ask(at=self.last_event_at + 1, user_id=user_id, serving_config=name, limit=10)

    def replay_golden(self) -> None:
        """Raise SnapshotCorrupt unless every golden question still has the answer that was written."""
        for ask, expected in self.golden:
            if (answer := self.answer(ask)) != expected:
                raise SnapshotCorrupt(
                    f"golden query of {ask.serving_config!r} answers {answer[:3]}… instead of {expected[:3]}…"
                )


def _pin(filters: Filters, configs: Mapping[str, ServingConfig]) -> None:
    """Compile all filters of ``configs`` once. FilterError on one that does not fit."""
    for config in configs.values():
        for text in config.filters:
            filters.pin(text)


def ranker_file(name: str) -> str:
    """The snapshot file that holds the ranker ``name`` in LightGBM's text format."""
    return f"rankers/{name}.txt"

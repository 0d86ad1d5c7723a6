"""A snapshot with statistics of now: what everybody takes lately moves between two rebuilds too."""

from __future__ import annotations

from dataclasses import replace

from recsys.features.assemble import families_of
from recsys.model import Snapshot
from recsys.sources.popularity import POPULAR, as_of, ranked
from recsys.statistics import ItemStatistics


def freshened(snapshot: Snapshot, statistics: ItemStatistics) -> Snapshot:
    """``snapshot`` as if its statistics had been ``statistics``, of the same items: features of items and of their
    groups, and the sources that rank by nothing else. What is learnt from who took what together stays as it was built.

    Costs what reading a snapshot spends on the same: 8 bytes an item and source, and 8 an item and code family.
    ValueError when the statistics are of another number of items.
    """
    if len(statistics.values) != len(snapshot.catalogue):
        raise ValueError(f"statistics of {len(statistics.values)} items are none of {len(snapshot.catalogue)}")
    context = snapshot.model.context.as_of(statistics)
    more = tuple(as_of(source, statistics) for source in snapshot.model.more)
    model = replace(snapshot.model, context=context, popular=ranked(POPULAR, statistics), more=more)
    sources = model.sources
    pipeline = replace(snapshot.pipeline, context=context, sources=sources, families=families_of(context, sources))
    return replace(snapshot, model=model, pipeline=pipeline)

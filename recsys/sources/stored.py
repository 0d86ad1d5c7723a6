"""Sources beyond the first four, as a snapshot keeps them: a name, a kind, and how to read it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from recsys.errors import SchemaMismatch
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sources.adoption import Adoption
from recsys.sources.affinity import AffinityPopular
from recsys.sources.ease import Ease
from recsys.sources.item2vec import Item2Vec
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sources.popular import Popular
from recsys.sources.protocol import Source
from recsys.sources.segment import SegmentPopular
from recsys.sources.two_tower import TwoTowerSource
from recsys.sources.user_neighbours import UserNeighbours


class StoredSource(Source, Protocol):
    """A source that writes itself under its name."""

    def write(self, out: SnapshotWriter) -> None:
        """Store everything under ``name``."""


READERS: Mapping[str, Callable[[SnapshotReader, str], StoredSource]] = {
    "Adoption": Adoption.read,
    "AffinityPopular": AffinityPopular.read,
    "Ease": Ease.read,
    "Item2Vec": Item2Vec.read,
    "ItemNeighbours": ItemNeighbours.read,
    "Popular": Popular.read,
    "SegmentPopular": SegmentPopular.read,
    "TwoTowerSource": TwoTowerSource.read,
    "UserNeighbours": UserNeighbours.read,
}
FILE = "sources.json"


def write_sources(out: SnapshotWriter, sources: Sequence[StoredSource]) -> None:
    """All of ``sources`` and the list of them."""
    out.json(FILE, [{"name": source.name, "kind": type(source).__name__} for source in sources])
    for source in sources:
        source.write(out)


def read_sources(src: SnapshotReader) -> tuple[StoredSource, ...]:
    """The sources that ``write_sources`` stored, in order. SchemaMismatch for a kind this version does not know."""
    found = []
    for entry in src.json(FILE) if src.has(FILE) else ():
        read = READERS.get(entry["kind"])
        if read is None:
            raise SchemaMismatch(f"the snapshot has a source of a kind this version does not know: {entry['kind']}")
        found.append(read(src, entry["name"]))
    return tuple(found)

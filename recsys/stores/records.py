"""What stores keep: events, items, people, and the lists that were shown. Times are epoch microseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

# Of a profile or an attribute.
Value = str | float | bool
# Of an item, whose attributes may be lists of text too.
ItemValue = Value | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something a person did; ``user_id`` or ``visitor_id`` says who, and where both do, it is the user's.

    event_id: never "" in a store; one that comes again is the same event · time_us: when it was · "" and None: not
    given · request_id: of the answer it follows from, out of the attribution token, "" none.
    """

    event_id: str
    event_type: str
    time_us: int
    user_id: str = ""
    visitor_id: str = ""
    item_id: str = ""
    quantity: float | None = None
    price: float | None = None
    currency_code: str = ""
    session_id: str = ""
    query: str = ""
    platform: str = ""
    value: float | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events that all given parts fit: ids and type equal, since_us <= time < until_us. All None: every event."""

    user_id: str | None = None
    visitor_id: str | None = None
    event_type: str | None = None
    item_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class ItemChange:
    """Fields of one item to set: title, description, category, brand, price, stock, in_stock, created_at (epoch
    seconds) or ``attributes.<name>``; None clears what the snapshot or an earlier change says.
    """

    item_id: str
    fields: Mapping[str, ItemValue | None]


@dataclass(frozen=True, slots=True)
class Inventory:
    """Stock and price of an item as of ``set_us``; None = not given."""

    item_id: str
    set_us: int
    stock: int | None = None
    price: float | None = None


@dataclass(frozen=True, slots=True)
class LiveItem:
    """All that was changed of an item since the store was begun, inventory included.

    fields: as in ``ItemChange``, what they lack is as the snapshot has it · is_deleted: in no answer · is_created: came
    by an upsert that creates, so that it is an item even where no snapshot knows it · version: of the catalogue when
    it was changed last · created_us: when it was created first, 0 where it never was; items are numbered by it, so it
    stays when they are deleted and come again.
    """

    item_id: str
    fields: Mapping[str, ItemValue | None]
    version: int
    is_deleted: bool = False
    is_created: bool = False
    created_us: int = 0

    def is_sold(self, otherwise: bool) -> bool:
        """Whether any can be sold: by the stock where it is known, else as ``in_stock`` says; ``otherwise``: as the
        snapshot has it, for an item of which neither was ever changed.
        """
        stock, in_stock = self.fields.get("stock"), self.fields.get("in_stock")
        if isinstance(stock, int | float):
            return stock > 0
        if in_stock is not None:
            return bool(in_stock)
        return otherwise if not self.fields.keys() & {"stock", "in_stock"} else True


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """Attributes of one user to set, None clears one; ``replace`` clears all that are not given."""

    user_id: str
    attributes: Mapping[str, Value | None]
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the store knows them when an answer is made.

    user_id: "" for a visitor who is linked to nobody · visitor_ids: theirs, ascending · attributes: of the profile,
    since the store was begun, None = cleared · erased_us: what was up to then must not be used, None = never erased ·
    erased_visitors: the same of visitors who were erased with somebody else, by id; no store fills it ·
    events: theirs and their visitors', newest first, ties by event_id.
    """

    user_id: str
    visitor_ids: tuple[str, ...] = ()
    attributes: Mapping[str, Value | None] = field(default_factory=dict)
    erased_us: int | None = None
    events: tuple[LiveEvent, ...] = ()
    erased_visitors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure found and deleted; holds no id of the user. id: names the erasure."""

    id: str
    n_events: int
    has_profile: bool
    n_links: int
    erased_us: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """A user, or a visitor linked to them, who was erased: what they did up to ``erased_us`` is nobody's.

    Stores keep ids of erased people only as their SHA-256 digest (32 bytes, ``erasure_digest``): it is enough to know
    one again.
    """

    digest: bytes
    erased_us: int


def erasure_digest(kind: str, id: str) -> bytes:
    """The digest of an erased id; ``kind`` is "user" or "visitor"."""
    return hashlib.sha256(f"{kind}\0{id}".encode("utf-8", "surrogatepass")).digest()


def text_digest(text: str) -> str:
    """What a text's vector is kept under, beside the name of its encoder's model."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class ShownItem:
    """One place of a list: sources that proposed the item, best rank first · propensity: None where not drawn."""

    item_id: str
    sources: tuple[str, ...] = ()
    is_exploration: bool = False
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class ShownSlate:
    """A list that was shown, to be joined with later events by ``request_id``.

    first_position: of its first item in the whole list, from 1 · features_digest: of what the ranker saw, "" none ·
    experiment, variant: "" none.
    """

    request_id: str
    time_us: int
    user_id: str
    visitor_id: str
    serving_config: str
    snapshot_version: str
    items: tuple[ShownItem, ...]
    first_position: int = 1
    platform: str = ""
    features_digest: str = ""
    experiment: str = ""
    variant: str = ""

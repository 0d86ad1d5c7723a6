"""Page tokens: where a list goes on, sealed, so that any worker can continue it and no server has to remember it.

A token holds the items shown so far, by number, and the arguments of the list; where these are too long for it
(hundreds of excluded items) it holds their SHA-256, and every page must repeat them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from protos.recommender.v1.recommendation_service_pb2 import Explain, RecommendRequest
from recsys.errors import InvalidRequest, Violation
from recsys.sealing import Keys, Seal
from server.conversion import DEFAULT_SERVING_CONFIG
from server.number_sets import packed, unpacked

PURPOSE = "page token 1"
LIFETIME_S = 30 * 60
LONGEST_PAGE_TOKEN = 8192
# Bytes of compressed arguments that fit into it beside a thousand items and the rest.
MOST_CARRIED = 2600
# These concern one page and not the list: a follow-up may change them. Only page_size is carried on.
OF_ONE_PAGE = frozenset({"page_size", "page_token", "labels", "platform", "validate_only"})


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a token stands for.

    version: the snapshot of the list · shown: numbers of the items on its pages so far, ascending · age_s: seconds
    since it was given out · request: the arguments, normalised · digest: "" or that of the arguments when only ``at``
    and page_size are carried.
    """

    version: str
    shown: tuple[int, ...]
    age_s: int
    request: RecommendRequest
    digest: str


class PageTokens:
    """Gives out page tokens and opens them; ``now`` is the time in epoch seconds."""

    def __init__(self, keys: Keys, now: Callable[[], int]) -> None:
        self._seal = Seal(keys, PURPOSE)
        self._now = now

    def issue(self, *, version: str, shown: Iterable[int], request: RecommendRequest) -> str:
        """A token of at most ``LONGEST_PAGE_TOKEN`` characters for up to 1000 items; ``request`` is normalised."""
        carried = _without(request, OF_ONE_PAGE - {"page_size"})
        digest, body = "", _packed(carried)
        if len(body) > MOST_CARRIED:
            digest = digest_of(request)
            body = _packed(RecommendRequest(at=request.at, page_size=request.page_size))
        numbers = packed(shown)
        head = json.dumps([version, self._now(), digest, len(numbers)])
        return self._seal.sealed(head.encode() + b"\n" + numbers + body)

    def opened(self, token: str) -> Continuation:
        """What ``token`` stands for. InvalidRequest, on page_token, when it is not ours or too old."""
        payload = self._seal.opened(token)
        if payload is None:
            raise refused("page_token must be one that this server returned, unchanged")
        head, _, rest = payload.partition(b"\n")
        version, issued_at, digest, n_bytes = json.loads(head)
        age_s = self._now() - issued_at
        if age_s > LIFETIME_S:
            raise refused(f"page_token is {age_s} s old and good for {LIFETIME_S} s: begin the list again")
        request = RecommendRequest.FromString(zlib.decompress(rest[n_bytes:]))
        return Continuation(version, unpacked(rest[:n_bytes]), age_s, request, digest)


def continued(continuation: Continuation, given: RecommendRequest) -> RecommendRequest:
    """The arguments of the next page: those of the list, and what ``given`` says of this page.

    InvalidRequest, on page_token, when ``given`` names others than those of the list.
    """
    carried = continuation.request
    if not (carried.filter or given.filter):
        given = _without(given, ["strict_filtering"])  # which decides nothing then
    fixed = [
        (field.name, value)
        for field, value in given.ListFields()
        if field.name not in OF_ONE_PAGE and (not continuation.digest or field.name == "at")
    ]
    other = [name for name, value in fixed if value != getattr(carried, name)]
    if not continuation.digest and given.HasField("diversity") and not carried.HasField("diversity"):
        # Left out it is the serving config's own, which 0 is not.
        other = sorted({*other, "diversity"})
    if other:
        names = ", ".join(other)
        raise refused(f"page_token continues a list with other arguments: repeat its {names}, or leave it out")
    request = _without(carried, ())
    # What both have is a page_size; everything else is in one of them only.
    request.MergeFrom(_without(given, [name for name, _ in fixed]))
    if continuation.digest and digest_of(request) != continuation.digest:
        raise refused("page_token must come with all arguments of its list, which are too long to be carried in it")
    return request


def digest_of(request: RecommendRequest) -> str:
    """SHA-256 (hex) of the arguments that make a list; a default that is named counts as one that is not."""
    arguments = _without(request, OF_ONE_PAGE)
    arguments.serving_config = arguments.serving_config or DEFAULT_SERVING_CONFIG
    if not arguments.filter:
        arguments.ClearField("strict_filtering")
    elif not arguments.HasField("strict_filtering"):
        arguments.strict_filtering = True
    arguments.explain = arguments.explain or Explain.EXPLAIN_NONE
    return hashlib.sha256(arguments.SerializeToString(deterministic=True)).hexdigest()


def refused(description: str) -> InvalidRequest:
    """The error of a page token that cannot be followed."""
    return InvalidRequest([Violation("page_token", description)])


def _without(request: RecommendRequest, names: Iterable[str]) -> RecommendRequest:
    copy = RecommendRequest()
    copy.CopyFrom(request)
    for name in names:
        # The hints know fields by literal names only.
        copy.ClearField(name)  # type: ignore[arg-type]
    return copy


def _packed(request: RecommendRequest) -> bytes:
    return zlib.compress(request.SerializeToString(deterministic=True))

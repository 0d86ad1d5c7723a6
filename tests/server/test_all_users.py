"""The pages of all users, when the snapshot is replaced between two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest, ListUserIdsResponse
from server.export import all_users


class Refused(grpc.RpcError, grpc.Call):  # type: ignore[misc] # the package is untyped
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


Refused.__abstractmethods__ = frozenset()


class Pages:
    """A channel whose every method gives the next of ``answers``."""

    def __init__(self, *answers: ListUserIdsResponse | Refused) -> None:
        self._answers = iter(answers)
        self.tokens: list[str] = []

    def unary_unary(self, *_: object, **__: object) -> Callable[..., Any]:
        def call(request: ListUserIdsRequest) -> ListUserIdsResponse:
            self.tokens.append(request.page_token)
            answer = next(self._answers)
            if isinstance(answer, Refused):
                raise answer
            return answer

        return call


FIRST = ListUserIdsResponse(user_ids=["a"], next_page_token="more")
STALE = Refused(grpc.StatusCode.INVALID_ARGUMENT)


def test_a_token_that_has_become_stale_begins_the_list_again() -> None:
    pages = Pages(FIRST, STALE, ListUserIdsResponse(user_ids=["b", "c"]))
    assert all_users(pages, (0.0,)) == ["b", "c"]
    assert pages.tokens == ["", "more", ""]


@pytest.mark.parametrize(
    "answers",
    [(FIRST, STALE, FIRST, STALE), (STALE,), (FIRST, Refused(grpc.StatusCode.INTERNAL))],
    ids=["stale once more than there are pauses", "no token yet", "something else"],
)
def test_what_asking_again_does_not_mend_is_raised(answers: tuple[Any, ...]) -> None:
    with pytest.raises(Refused):
        all_users(Pages(*answers), (0.0,))

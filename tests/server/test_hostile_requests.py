"""Whatever a caller sends, the server answers fairly and soon, and is the same afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import grpc
from hypothesis import HealthCheck, Phase, given, seed, settings

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub

from .hostile import FAIR, Hostile, hostile_calls, methods, path_of, told
from .paged import AT, rows
from .tiny_shop import ALL_ITEMS

N_CALLS = 400
# An answer takes milliseconds; a machine with much else to do gets a factor.
LONGEST_S = 10.0
LARGEST = 4 * 1024 * 1024


def test_no_request_is_an_internal_error_or_takes_long(
    snapshots: Path, listen: Callable[..., str], tmp_path: Path
) -> None:
    channel = grpc.insecure_channel(listen(snapshots, state=str(tmp_path / "state")))
    stub = RecommendationServiceStub(channel)
    # Somebody whom the calls do not know: they may change, link and delete those whom they do.
    usual = pb.RecommendRequest(user_id="user-05", at=AT, explain=pb.EXPLAIN_SUMMARY, page_size=5)
    before = stub.Recommend(usual)
    known = ["user-03", "home", "similar", before.snapshot_version, "../..", *ALL_ITEMS[:5]]
    listing = SnapshotServiceStub(channel).ListUserIds(ListUserIdsRequest(page_size=2)).next_page_token
    codes: Counter[tuple[str, grpc.StatusCode]] = Counter()

    @seed(20_261)
    @settings(
        max_examples=N_CALLS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile_calls(known, [before.next_page_token, listing]))
    def asked(call: Hostile) -> None:
        started = perf_counter()
        code = told(channel, call, timeout_s=2 * LONGEST_S)
        seconds = perf_counter() - started
        codes[call.path, code] += 1
        assert code in FAIR
        assert code is not grpc.StatusCode.RESOURCE_EXHAUSTED or len(call.body) > LARGEST
        assert seconds < LONGEST_S

    asked()

    assert {path for path, _ in codes} == {path_of(method) for method in methods()}
    by_code = Counter(code for _, code in codes.elements())
    assert by_code[grpc.StatusCode.OK] > N_CALLS / 20
    assert by_code[grpc.StatusCode.INVALID_ARGUMENT] > N_CALLS / 5
    assert rows(stub.Recommend(usual)) == rows(before)

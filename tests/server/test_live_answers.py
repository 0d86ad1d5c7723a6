"""What a customer does now changes the next answer of every worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from protos.recommender.v1.user_pb2 import User
from protos.recommender.v1.user_service_pb2 import (
    DeleteUserRequest,
    GetProfileRequest,
    LinkIdentitiesRequest,
    UnlinkIdentitiesRequest,
    UpsertUsersRequest,
)
from server.clock import wall_time

from .paged import ids, rows
from .stateful import Shops, bought, viewed
from .tiny_shop import LAST_EVENT_AT, N_USERS, publish_profiled, publish_searchable, tiny_snapshot

NEW = "somebody new"


@pytest.mark.parametrize("clock", ["now", "snapshot"])
def test_an_acknowledged_event_is_in_the_next_answer_of_the_other_worker(shop: Shops, clock: str) -> None:
    running = shop(clock=clock)
    for number in range(20):
        user, item = f"stranger {number}", f"1-i{number + 10:02d}"
        running.write(bought(item, user_id=user))
        assert running.took(user_id=user) == {item}


def test_a_time_of_another_clock_hides_no_event(shop: Shops) -> None:
    running = shop(clock="snapshot")
    running.write(bought("1-i10", user_id=NEW, timestamp=Timestamp(seconds=wall_time())))
    running.write(bought("1-i11", user_id=NEW, timestamp=Timestamp(seconds=LAST_EVENT_AT + 3600)))

    assert running.took(user_id=NEW) == {"1-i10", "1-i11"}


def test_only_what_was_before_the_time_of_a_replay_counts(shop: Shops) -> None:
    running = shop()
    for day, item in enumerate(("1-i10", "1-i11", "1-i12")):
        running.write(bought(item, user_id=NEW, timestamp=Timestamp(seconds=LAST_EVENT_AT + 86_400 * day)))

    assert running.took(user_id=NEW, at=Timestamp(seconds=LAST_EVENT_AT + 86_400)) == {"1-i10"}
    assert running.took(user_id=NEW, at=Timestamp(seconds=LAST_EVENT_AT + 86_401)) == {"1-i10", "1-i11"}


def test_what_was_just_bought_leaves_the_list_of_new_things_and_joins_the_snapshots_history(shop: Shops) -> None:
    running = shop(clock="snapshot")
    before = running.recommend(user_id="user-03", serving_config="discover")
    item = ids(before)[-1]
    had = running.took(user_id="user-03")
    running.write(bought(item, user_id="user-03"))

    after = running.recommend(user_id="user-03", serving_config="discover")
    assert set(ids(before)) - set(ids(after)) == {item}
    assert running.took(user_id="user-03") == {*had, item}


def test_an_answer_with_kept_events_is_the_one_with_the_same_events_told(shop: Shops) -> None:
    running = shop()
    at = Timestamp(seconds=LAST_EVENT_AT + 5000)
    events = [viewed("1-i10", timestamp=Timestamp(seconds=LAST_EVENT_AT + 60)), bought("1-i11", timestamp=at)]
    events[1].timestamp.seconds -= 10
    told = running.recommend(user_id="user-03", at=at, recent_events=events)
    for event in events:
        event.user_id = "user-03"
    running.write(*events)

    assert rows(running.recommend(user_id="user-03", at=at)) == rows(told)
    # Told again they are what is known already.
    assert rows(running.recommend(user_id="user-03", at=at, recent_events=events)) == rows(told)


def test_events_that_the_snapshot_has_count_once(shop: Shops) -> None:
    running = shop()
    snapshot = tiny_snapshot(1)
    history = snapshot.histories.of(snapshot.users.number("user-03"))
    at = Timestamp(seconds=LAST_EVENT_AT + 1)
    before = running.recommend(user_id="user-03", at=at)
    items = snapshot.catalogue.items.ids(history.items)
    running.write(
        *[
            bought(item, user_id="user-03", timestamp=Timestamp(seconds=int(time), nanos=250_000_000))
            for item, time in zip(items, history.times, strict=True)
        ]
    )
    after = running.recommend(user_id="user-03", at=at)

    # Every type weighs 1 here, but the snapshot predicts purchases: all its events are of that kind.
    assert rows(after) == rows(before)


def test_similar_items_search_and_batches_know_it_too(shop: Shops, tmp_path: Path) -> None:
    publish_searchable(tmp_path / "searchable")
    running = shop(tmp_path / "searchable")
    running.write(bought("1-i07", user_id=NEW))
    stub = RecommendationServiceStub(running.reader)
    similar = stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03", user_id=NEW))
    found = stub.Search(pb.SearchRequest(query="shelf 3", user_id=NEW))
    batch = stub.BatchRecommend(
        pb.BatchRecommendRequest(requests=[pb.RecommendRequest(user_id=user) for user in ("nobody", NEW, NEW)])
    )

    assert similar.served_by == found.served_by == pb.SERVED_BY_PERSONALISED
    served = [entry.response.served_by for entry in batch.responses]
    assert served == [pb.SERVED_BY_POPULAR, pb.SERVED_BY_PERSONALISED, pb.SERVED_BY_PERSONALISED]
    assert len({entry.response.request_id for entry in batch.responses}) == 3


def test_one_view_of_somebody_new_brings_things_like_it(shop: Shops, tmp_path: Path) -> None:
    publish_searchable(tmp_path / "searchable")
    running = shop(tmp_path / "searchable")
    running.write(viewed("1-i50", visitor_id="phone"))

    answer = running.recommend(visitor_id="phone", page_size=10)
    by_source = {hit.name for result in answer.results for hit in result.sources}
    assert answer.served_by == pb.SERVED_BY_PERSONALISED
    assert {"content", "als"} <= by_source
    alike = [result for result in answer.results if any(hit.name == "content" for hit in result.sources)]
    assert alike


def test_a_list_goes_on_as_it_began_whatever_is_done_meanwhile(shop: Shops) -> None:
    running = shop()
    running.write(bought("1-i10", user_id=NEW))
    whole = running.recommend(user_id=NEW, at=Timestamp(seconds=wall_time() + 60))
    first = running.recommend(user_id=NEW, page_size=7)
    running.write(bought("1-i11", user_id=NEW, timestamp=Timestamp(seconds=wall_time() + 3600)))
    second = running.recommend(page_token=first.next_page_token, page_size=7)

    assert [*ids(first), *ids(second)] == ids(whole)[:14]
    assert running.took(user_id=NEW) == {"1-i10", "1-i11"}


def test_linked_people_are_one_and_unlinked_two_as_before(shop: Shops) -> None:
    running = shop(clock="snapshot")
    running.write(bought("1-i10", user_id=NEW), bought("1-i11", visitor_id="phone"))
    assert (running.took(user_id=NEW), running.took(visitor_id="phone")) == ({"1-i10"}, {"1-i11"})

    linked = running.users.LinkIdentities(LinkIdentitiesRequest(user_id=NEW, visitor_id="phone"))
    assert linked.previous_user_id == ""
    assert running.took(user_id=NEW) == running.took(visitor_id="phone") == {"1-i10", "1-i11"}

    running.users.UnlinkIdentities(UnlinkIdentitiesRequest(user_id=NEW, visitor_id="phone"))
    assert (running.took(user_id=NEW), running.took(visitor_id="phone")) == ({"1-i10"}, {"1-i11"})


def test_what_the_snapshot_knows_of_a_visitor_is_the_linked_users(shop: Shops) -> None:
    running = shop(clock="snapshot")
    of_row, of_user = running.took(user_id="user-04"), running.took(user_id="user-03")
    assert running.took(visitor_id="user-04") == of_row
    running.users.LinkIdentities(LinkIdentitiesRequest(user_id="user-03", visitor_id="user-04"))

    assert running.took(user_id="user-03") == of_row | of_user


def test_a_deleted_user_is_nobody_at_once_and_may_come_back(shop: Shops) -> None:
    running = shop(clock="snapshot")
    stranger = running.recommend(user_id="nobody")
    running.write(bought("1-i10", user_id="user-03"), bought("1-i11", visitor_id="phone"))
    running.users.LinkIdentities(LinkIdentitiesRequest(user_id="user-03", visitor_id="phone"))
    assert running.recommend(user_id="user-03").served_by == pb.SERVED_BY_PERSONALISED
    receipt = running.users.DeleteUser(DeleteUserRequest(user_id="user-03")).receipt

    assert (receipt.n_events, receipt.profile, receipt.links) == (2, False, 1)
    for who in ({"user_id": "user-03"}, {"visitor_id": "phone"}):
        assert rows(running.recommend(**who)) == rows(stranger)
    running.write(bought("1-i12", user_id="user-03", timestamp=Timestamp(seconds=wall_time() + 60)))
    assert running.took(user_id="user-03") == {"1-i12"}


def test_a_deleted_user_is_listed_no_more(shop: Shops) -> None:
    running = shop()
    running.users.DeleteUser(DeleteUserRequest(user_id="user-03"))
    listed = SnapshotServiceStub(running.reader).ListUserIds(ListUserIdsRequest()).user_ids

    assert len(listed) == N_USERS - 1
    assert "user-03" not in listed


def test_a_profile_alone_is_popularity_among_its_like(shop: Shops, tmp_path: Path) -> None:
    publish_profiled(tmp_path / "profiled")
    running = shop(tmp_path / "profiled")
    stranger = running.recommend(user_id=NEW)
    users = [
        User(user_id=NEW, attributes={"taste": AttributeValue(text="even"), "age": AttributeValue(number=33)}),
        User(user_id="unheard of", attributes={"taste": AttributeValue(text="neither")}),
    ]
    running.users.UpsertUsers(UpsertUsersRequest(users=users, allow_missing=True))

    answer = running.recommend(user_id=NEW)
    assert answer.served_by == pb.SERVED_BY_SEGMENT
    assert stranger.served_by == running.recommend(user_id="unheard of").served_by == pb.SERVED_BY_POPULAR
    told_apart = {result.item_id for result in answer.results if "segment" in {hit.name for hit in result.sources}}
    assert len(told_apart) == 20
    assert all(int(item[-2:]) % 2 == 0 for item in told_apart)


def test_a_profile_of_now_stands_over_the_snapshots(shop: Shops, tmp_path: Path) -> None:
    publish_profiled(tmp_path / "profiled")
    running = shop(tmp_path / "profiled")
    get = GetProfileRequest(user_id="user-04")
    known = running.users.GetProfile(get)
    assert known.user.attributes["taste"].text == "even"
    assert known.user.attributes["age"].number == 24
    assert (known.n_events, known.n_snapshot_events > 0) == (0, True)

    odd = User(user_id="user-04", attributes={"taste": AttributeValue(text="odd"), "colour": AttributeValue(flag=True)})
    running.users.UpsertUsers(UpsertUsersRequest(users=[odd]))
    assert {
        name: value.WhichOneof("kind") for name, value in running.users.GetProfile(get).user.attributes.items()
    } == {
        "taste": "text",
        "age": "number",
        "colour": "flag",
    }
    by_profile = [
        int(result.item_id[-2:]) % 2
        for result in running.recommend(user_id="user-04").results
        if "segment" in {hit.name for hit in result.sources}
    ]
    assert by_profile
    assert set(by_profile) == {1}

    only_colour = UpsertUsersRequest(users=[odd], update_mask={"paths": ["attributes"]})
    del only_colour.users[0].attributes["taste"]
    running.users.UpsertUsers(only_colour)
    assert set(running.users.GetProfile(get).user.attributes) == {"colour"}

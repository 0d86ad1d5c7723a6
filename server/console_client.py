"""``recsys-client``: a person's tool. Recommendations, similar items, searches, status and users as readable tables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import RenderableType

from protos.recommender.v1.recommendation_service_pb2 import (
    Explain,
    RecommendRequest,
    RecommendResponse,
    SearchRequest,
    SimilarItemsRequest,
)
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import GetServingRequest, ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.errors import InputError
from server import console_changes, console_tables
from server.channel import (
    EXIT_CODES,
    add_diversity,
    add_filter,
    add_target,
    connect,
    limit,
    sentence_of,
    timestamp_of_iso,
)
from server.credentials import credentials_of

# As shells say of a process that an interrupt ended.
INTERRUPTED = 130

Command = Callable[[grpc.Channel, argparse.Namespace], RenderableType]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when there was an answer; 1 when the server fails or refuses; 2 on bad arguments; 130 when interrupted."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        with connect(options.target, credentials_of(options)) as channel:
            shown = command(channel, options)
    except InputError as error:
        return _failed(str(error), 2)
    except UnicodeEncodeError:
        return _failed("an argument is not UTF-8 text", 2)
    except grpc.RpcError as error:
        return _failed(sentence_of(error, options.target), 1)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)
    return _print(shown)


def _print(shown: RenderableType) -> int:
    """0 when all of it was written, 2 when standard output takes no more, as on a full disk."""
    try:
        console_tables.console().print(shown)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail once more when Python ends, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed(f"standard output cannot be written: {error.strerror or error}", 2)
    return 0


def _recommend(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    request = RecommendRequest(
        user_id=options.user,
        platform=options.platform,
        serving_config=options.serving_config,
        page_size=options.limit,
        exclude_item_ids=options.exclude,
        filter=options.filter,
        diversity=options.diversity,
        explain=_explain(options),
        at=None if options.at is None else timestamp_of_iso(options.at),
        return_items=True,
    )
    response = _whole(RecommendationServiceStub(channel).Recommend, request, options)
    title = f"{options.serving_config} for {options.user or 'somebody unknown'}"
    return console_tables.answer(title, response, explain=options.explain is not None, ids=options.ids)


def _similar(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    request = SimilarItemsRequest(
        item_id=options.item,
        platform=options.platform,
        page_size=options.limit,
        filter=options.filter,
        diversity=options.diversity,
        explain=_explain(options),
        return_items=True,
    )
    response = _whole(RecommendationServiceStub(channel).SimilarItems, request, options)
    title = f"similar to {options.item}"
    return console_tables.answer(title, response, explain=options.explain is not None, ids=options.ids)


def _search(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    request = SearchRequest(
        query=options.query,
        user_id=options.user,
        platform=options.platform,
        page_size=options.limit,
        filter=options.filter,
        diversity=options.diversity,
        explain=_explain(options),
        return_items=True,
    )
    response = _whole(RecommendationServiceStub(channel).Search, request, options)
    title = f"{options.query!r} for {options.user or 'somebody unknown'}"
    return console_tables.answer(title, response, explain=options.explain is not None, ids=options.ids)


def _whole(
    ask: Callable[..., RecommendResponse],
    request: RecommendRequest | SimilarItemsRequest | SearchRequest,
    options: argparse.Namespace,
) -> RecommendResponse:
    """The answer; with --all-pages as one, and each warning once."""
    metadata = _metadata(options)
    response = ask(request, metadata=metadata)
    while options.all_pages and response.next_page_token:
        request.page_token = response.next_page_token
        page = ask(request, metadata=metadata)
        response.results.extend(page.results)
        response.warnings.extend(warning for warning in page.warnings if warning not in response.warnings)
        response.next_page_token = page.next_page_token
    return response


def _status(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    checked = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    health = health_pb2.HealthCheckResponse.ServingStatus.Name(checked.status)
    return console_tables.serving(SnapshotServiceStub(channel).GetServing(GetServingRequest()), health)


def _users(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    page = SnapshotServiceStub(channel).ListUserIds(ListUserIdsRequest(page_size=options.limit))
    return console_tables.lines(page.user_ids)


def _explain(options: argparse.Namespace) -> Explain.ValueType:
    return Explain.EXPLAIN_NONE if options.explain is None else Explain.Value(f"EXPLAIN_{options.explain.upper()}")


def _metadata(options: argparse.Namespace) -> tuple[tuple[str, str | bytes], ...]:
    return (("accept-language", options.language),) if options.language else ()


def _languages(text: str) -> str:
    """What may stand in a header."""
    if not (text.isascii() and text.isprintable()):
        raise argparse.ArgumentTypeError(f"must be a language such as zh or zh-CN, got {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsys-client", description="Ask a running recsys-server.", epilog=EXIT_CODES
    )
    commands = parser.add_subparsers(
        required=True, metavar="recommend|similar|search|status|users|write|profile|forget|link|unlink"
    )

    recommend = commands.add_parser("recommend", help="the list for one user")
    recommend.add_argument("user", metavar="USER", help='the user\'s id; "" for somebody unknown')
    recommend.add_argument("--serving-config", metavar="NAME", default="home", help="default home")
    recommend.add_argument("--at", metavar="ISO", help='"now" for the answer; default the server\'s clock')
    recommend.add_argument("--exclude", metavar="ITEM", nargs="+", default=[], help="ids that must not appear")
    recommend.set_defaults(command=_recommend)

    similar = commands.add_parser("similar", help="items like one")
    similar.add_argument("item", metavar="ITEM", help="the item's id")
    similar.set_defaults(command=_similar)

    search = commands.add_parser("search", help="items that fit a text")
    search.add_argument("query", metavar="TEXT", help="what is looked for, in words")
    search.add_argument("--user", metavar="USER", default="", help="for whom; default somebody unknown")
    search.set_defaults(command=_search)

    for listing in (recommend, similar, search):
        listing.add_argument("--limit", metavar="N", type=limit, default=10, help="how many, 1 to 200, default 10")
        add_filter(listing)
        add_diversity(listing)
        listing.add_argument(
            "--platform", metavar="NAME", default="", help="where the user is; default where last seen"
        )
        listing.add_argument("--all-pages", action="store_true", help="the whole list, --limit at a time")
        listing.add_argument(
            "--explain",
            nargs="?",
            choices=("summary", "full"),
            const="summary",
            help="also sources and reasons; full: also what makes up the scores, for 20 at most",
        )
        listing.add_argument(
            "--language", metavar="TAG", type=_languages, help="of the reasons, e.g. zh; default English"
        )
        listing.add_argument("--ids", action="store_true", help="also item ids")

    status = commands.add_parser("status", help="what the server is serving")
    status.set_defaults(command=_status)

    users = commands.add_parser("users", help="ids of users the server knows")
    users.add_argument("--limit", metavar="N", type=int, default=20, help="how many, default 20, at most 10000")
    users.set_defaults(command=_users)

    write = commands.add_parser("write", help="keep events of a file")
    write.add_argument("file", metavar="FILE", help="JSON Lines with the fields of an event, - is standard input")
    write.set_defaults(command=console_changes.write)

    profile = commands.add_parser("profile", help="what is known of a user")
    forget = commands.add_parser("forget", help="delete a user and all that is known of them")
    link = commands.add_parser("link", help="say that a visitor is a user")
    unlink = commands.add_parser("unlink", help="take that back")
    for command, change in (
        (profile, console_changes.profile),
        (forget, console_changes.forget),
        (link, console_changes.link),
        (unlink, console_changes.unlink),
    ):
        command.add_argument("user", metavar="USER", help="the user's id")
        command.set_defaults(command=change)
    for command in (link, unlink):
        command.add_argument("visitor", metavar="VISITOR", help="id of the device or cookie")

    for command in (recommend, similar, search, status, users, write, profile, forget, link, unlink):
        add_target(command)
    return parser


def _failed(sentence: str, code: int) -> int:
    print(f"recsys-client: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

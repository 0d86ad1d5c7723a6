"""Answers as tables for a person, readable at 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from protos.recommender.v1.recommendation_service_pb2 import RecommendResponse, RecommendResult, ServedBy
from protos.recommender.v1.snapshot_service_pb2 import GetServingResponse

PLAIN_WIDTH = 100
SHOWN_LEVELS = 2


def console() -> Console:
    """Standard output; a pipe gets 100 columns, a terminal its own width."""
    output = Console(highlight=False)
    return output if output.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def answer(title: str, response: RecommendResponse, *, explain: bool, ids: bool) -> RenderableType:
    """The list with its header, warnings and what the catalogue lacked. Text from the shop is never read as markup."""
    served_by = ServedBy.Name(response.served_by).removeprefix("SERVED_BY_").lower()
    parts: list[RenderableType] = [
        Text(title, style="bold"),
        Text(f"{len(response.results)} results · {served_by} · snapshot {response.snapshot_version}", style="dim"),
    ]
    parts += [Text(f"degraded: {reason}", style="red") for reason in response.degraded_reasons]
    parts += [Text(f"note: {warning}", style="yellow") for warning in response.warnings]
    if response.missing_ids:
        parts.append(Text(f"not in the catalogue: {', '.join(response.missing_ids)}", style="yellow"))
    if response.results:
        parts.append(_results(response.results, explain=explain, ids=ids))
    if any(result.contributions for result in response.results):
        parts += [Text("\nwhat makes up the scores", style="bold"), _contributions(response.results)]
    return Group(*parts)


def _results(results: Sequence[RecommendResult], *, explain: bool, ids: bool) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), expand=False)
    table.add_column("#", justify="right", no_wrap=True)
    if ids:
        table.add_column("item", overflow="fold")
    table.add_column("product", min_width=18, max_width=30 if explain else 48)
    table.add_column("category", min_width=10, max_width=18 if explain else 32)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    if explain:
        table.add_column("sources", no_wrap=True)
        table.add_column("why", min_width=20)
    n_decimals = _n_decimals(results)
    for rank, result in enumerate(results, start=1):
        score = f"{result.score:.{n_decimals}f}"
        cells = [str(rank), *([result.item_id] if ids else []), *_cells(result), score]
        if explain:
            chance = ["chance"] if result.is_exploration else []
            cells.append("\n".join([*chance, *(f"{hit.name} {hit.rank}" for hit in result.sources)]))
            cells.append("\n".join(reason.text for reason in result.reasons))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _contributions(results: Sequence[RecommendResult]) -> Table:
    """One line a result, numbered as in the list; nothing to add is left blank."""
    n_decimals = _n_decimals(results)
    table = Table(box=None, header_style="bold", padding=(0, 1), expand=False)
    for heading in ("#", *(part.group for part in results[0].contributions), "score"):
        table.add_column(heading, justify="right", no_wrap=True)
    for rank, result in enumerate(results, start=1):
        values = [f"{part.value:+.{n_decimals}f}" if part.value else "" for part in result.contributions]
        table.add_row(str(rank), *values, f"{result.score:.{n_decimals}f}")
    return table


def _cells(result: RecommendResult) -> tuple[str, ...]:
    item = result.item
    # The widest levels repeat on every line; the narrowest say what the thing is.
    category = " > ".join(item.category.split(" > ")[-SHOWN_LEVELS:])
    price = f"{item.price:.2f}" if item.HasField("price") else ""
    return item.title or result.item_id, category, price


def _n_decimals(results: Sequence[RecommendResult]) -> int:
    """Reciprocal ranks are a few hundredths and close to each other: three decimals would show them all alike."""
    return 3 if max(abs(result.score) for result in results) >= 0.1 else 5


def serving(answered: GetServingResponse, health: str) -> RenderableType:
    """What is being served, one fact a line."""
    facts = {
        "health": health,
        "snapshot": answered.snapshot_version,
        "built at": answered.built_at.ToJsonString(),
        "events": f"{answered.event_window_start.ToJsonString()} to {answered.event_window_end.ToJsonString()}",
        "users": f"{answered.n_users:,}",
        "items": f"{answered.n_items:,}",
        "sources": ", ".join(answered.sources),
        "serving configs": ", ".join(answered.serving_configs),
        "up for": f"{answered.uptime.seconds} s",
    }
    return facts_table(facts)


def facts_table(facts: Mapping[str, str]) -> Table:
    """One fact a line."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(name), Text(value))
    return table


def lines(texts: Iterable[str]) -> RenderableType:
    """Plain lines."""
    return Text("\n".join(texts))

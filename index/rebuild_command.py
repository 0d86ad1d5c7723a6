"""``recsys-index rebuild``: tables in, a published snapshot out."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.feedback_option import add_feedback, impressions
from index.state_option import add_state, state_tables
from recsys.errors import GateFailed, InputError, RecsysError, SnapshotCorrupt, SnapshotError

if TYPE_CHECKING:
    from index.build import Built
    from index.dataset import Dataset
    from index.stage_cache import StageCache
    from recsys.snapshot.signature import SigningKey, VerifyKey
    from recsys.snapshot.store import SnapshotStore

PACKAGES = ("numpy", "faiss-cpu", "lightgbm", "implicit", "polars", "sentence-transformers", "torch")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``func``, a function of the parsed arguments that returns the exit code."""
    parser = subparsers.add_parser(
        "rebuild", help="build a snapshot from the tables and publish it", description="Build and publish a snapshot."
    )
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder with events, items and users")
    parser.add_argument(
        "--snapshots",
        metavar="DIR",
        type=Path,
        default=os.environ.get("RECSYS_SNAPSHOTS"),
        help="snapshot folder, made if missing (default $RECSYS_SNAPSHOTS)",
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="a recsys.toml (default: the one beside the tables)"
    )
    parser.add_argument("--until", metavar="ISO", type=instant, help="use only events before this time")
    parser.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=cache_folder(),
        help="where embeddings, rows of windows, selections and searches are kept (%(default)s)",
    )
    parser.add_argument("--no-publish", action="store_true", help="stage and check the snapshot, leave CURRENT alone")
    parser.add_argument(
        "--tune-minutes",
        metavar="N",
        type=minutes,
        default=0.0,
        help="search that long for better rankers; a search goes on where an earlier one of the same data ended "
        "(default 0: none)",
    )
    parser.add_argument(
        "--reselect",
        action="store_true",
        help="compare fusions and weigh sources again, even where the data have not drifted since that was done",
    )
    add_state(parser, "live state to merge with the tables: events, items, profiles, links, erasures")
    add_feedback(parser)
    add_fresh(parser)
    parser.set_defaults(func=_rebuild)


def add_fresh(parser: argparse.ArgumentParser) -> None:
    """Add the flag that ``stage_cache`` reads."""
    parser.add_argument(
        "--fresh", action="store_true", help="work out all rows and choices again; embeddings are still read if kept"
    )


def minutes(text: str) -> float:
    """A finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number of minutes, 0 or more, got {text!r}")
    return value


def instant(text: str) -> int:
    """Epoch seconds of an ISO 8601 time; naive is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a time such as 2017-12-04T05:00Z, got {text!r}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def cache_folder() -> Path:
    """Where embeddings and all else is kept across rebuilds: $RECSYS_CACHE, else the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("RECSYS_CACHE") or Path(home) / "tributary" / "embeddings")


def stage_cache(arguments: argparse.Namespace, say: Callable[[str], None]) -> StageCache:
    """Where rows of windows are kept; InputError when the environment bounds it by no number."""
    from index.stage_cache import StageCache, bytes_allowed

    allowed = bytes_allowed(os.environ)
    return StageCache(arguments.cache / "stages", allowed, fresh=arguments.fresh, say=say)


def _rebuild(arguments: argparse.Namespace) -> int:
    if arguments.snapshots is None:
        raise InputError("name the snapshot folder with --snapshots DIR or RECSYS_SNAPSHOTS")
    # Imported here: --help must not wait for tables, forests and encoders.
    from index.build import build
    from index.builder import Builder
    from index.gates import gates_of, refuse_failed
    from index.kept_selection import Selections
    from index.loading import load_for
    from index.progress import Stages
    from index.reporting import metrics_table, report
    from index.snapshot_commands import signing_key_from, verify_key_from
    from index.tuning import Budget, facts_of
    from recsys.snapshot.files import SnapshotWriter
    from recsys.snapshot.store import SnapshotStore

    signing_key, verify_key = signing_key_from(os.environ), verify_key_from(os.environ)
    if verify_key is not None:
        refuse_unlike_keys(signing_key, verify_key)
    store = SnapshotStore(arguments.snapshots, verify_key=verify_key)
    started = time.time()
    with Stages() as stages, ExitStack() as staged:
        kept = stage_cache(arguments, stages.print)
        # Read first: tables that cannot be used must not leave so much as an empty snapshot folder behind.
        state = state_tables(arguments, stages)
        dataset, end = load_for(arguments.data, arguments.config, until=arguments.until, stages=stages, state=state)
        shown = impressions(arguments, dataset, end, stages, state)
        del state
        folder = staged.enter_context(store.staging())
        facts = facts_of(dataset.interactions, len(dataset.user_ids), len(dataset.item_ids))
        budget = Budget.of(arguments.tune_minutes / 2, arguments.cache, facts)
        builder = Builder.of(dataset, cache=arguments.cache, stages=stages, kept=kept, shown=shown)
        # A search for better recipes is a wish to choose again.
        again = arguments.reselect or arguments.fresh or arguments.tune_minutes > 0
        selections = Selections(arguments.cache / "selections", reuse=not again)
        built = build(builder, end=end, budget=budget, kept=selections)
        if refused := _refused_for_its_selection(store, built, dataset):
            stages.print(f"note: {refused} would refuse what an earlier selection makes: selecting again")
            built = build(builder, end=end, budget=budget, kept=replace(selections, reuse=False))
        for note in built.notes:
            stages.print(f"note: {note}")
        with stages.stage("write snapshot"):
            built.snapshot.write(SnapshotWriter(folder))
        n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        late = {"ndcg_vs_current": _against_current(store, built), "max_bytes": float(n_bytes)}
        gates = (*built.gates, *gates_of(late, dataset.settings.gates, n_validated=built.n_validated))
        SnapshotWriter(folder).json("report.json", report(dataset, built, gates, stages))
        refuse_failed(gates)
        with stages.stage("seal and publish"):
            name = _commit(store, folder, dataset, built, gates=[gate.to_json() for gate in gates], key=signing_key)
            if not arguments.no_publish:
                store.publish(name)
    console = _console()
    console.print(stages.summary())
    if built.validation:
        console.print(
            metrics_table(
                built.validation,
                "Validation on the newest windows: pipeline is what was chosen; rankers trained on older windows",
            )
        )
    done = "staged" if arguments.no_publish else "published"
    console.print(f"{done} {name}: {n_bytes / 1e6:,.0f} MB in {time.time() - started:,.0f} s", highlight=False)
    return 0


def refuse_unlike_keys(signing: SigningKey | None, verifying: VerifyKey) -> None:
    """Raise InputError now, not after minutes of work, when what this rebuild signs could not be published."""
    from recsys.snapshot.signature import sign, verify

    try:
        verify(b"", None if signing is None else sign(b"", signing), verifying)
    except SnapshotCorrupt as error:
        raise InputError(
            "RECSYS_VERIFY_KEY would refuse the new snapshot: RECSYS_SIGNING_KEY is missing or another key"
        ) from error


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if os.isatty(1) else 160)


def _refused_for_its_selection(store: SnapshotStore, built: Built, dataset: Dataset) -> str:
    """The gates, by name, that a selection made on these very data might pass; "" where that is what was made."""
    from index.gates import OF_SELECTION, gates_of

    if not built.selected_on_other_data:
        return ""
    late = {"ndcg_vs_current": _against_current(store, built)}
    gates = (*built.gates, *gates_of(late, dataset.settings.gates, n_validated=built.n_validated))
    return ", ".join(gate.name for gate in gates if not gate.passed and gate.name in OF_SELECTION)


def _against_current(store: SnapshotStore, built: Built) -> float | None:
    """Validation NDCG@10 of the new snapshot over that of the current one, as each was measured; None without one."""
    from index.gates import ratio

    try:
        report = store.open(store.current()).json("report.json")
    except RecsysError:
        return None  # there is none, or it cannot be read, which must not keep its replacement out
    before = report["validation"]["tasks"].get("all", {}).get("pipeline", {}).get("ndcg@10")
    return ratio(built.validation.get("all", {}).get("pipeline", {}).get("ndcg@10"), before)


def _commit(
    store: SnapshotStore, folder: Path, dataset: Dataset, built: Built, *, gates: list[dict[str, Any]], key: Any
) -> str:
    from index.snapshot_choices import fusion_choices, source_choices
    from recsys.model import Snapshot
    from recsys.snapshot.files import SnapshotReader
    from recsys.snapshot.manifest import Manifest

    snapshot = built.snapshot
    manifest = Manifest.seal(
        folder,
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        event_window_start=int(dataset.interactions.times.min()),
        event_window_end=snapshot.last_event_at,
        seed=dataset.settings.training.seed,
        config=built.settings.to_json(),
        features=snapshot.feature_names,
        packages={name: version(name) for name in PACKAGES},
        gates=gates,
        serving_configs={name: config.to_json() for name, config in snapshot.configs.items()},
        n_users=len(snapshot.users),
        n_items=len(snapshot.catalogue),
        n_events=len(dataset.interactions),
        sources=list(snapshot.pipeline.sources),
        source_choices=source_choices(built),
        fusion_choices=fusion_choices(built),
        selected_at=built.selected_at,
    )
    # The last gate needs the finished files: what was written must answer as what was built. Before the commit, which
    # lists the version.
    try:
        Snapshot.read(SnapshotReader(folder)).replay_golden()
    except SnapshotError as error:
        raise GateFailed(f"the new snapshot is not published: golden: {error}") from error
    return store.commit(folder, manifest, key)

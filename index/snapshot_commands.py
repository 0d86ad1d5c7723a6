"""``recsys-index list | verify | publish | rollback | prune``: what an operator does with snapshots that exist."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from index.absence import Absence
from index.choices_told import choices_told
from index.progress import Stages
from recsys.errors import InputError, NoSnapshot, RecsysError, SnapshotCorrupt
from recsys.snapshot.canonical import parsed
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.manifest import MANIFEST, SIGNATURE, Manifest
from recsys.snapshot.signature import SigningKey, VerifyKey, key_text, signature_fields, signing_key, verify_key
from recsys.snapshot.store import SnapshotStore

TRACE_FOUND = 3
_SNAPSHOTS = "RECSYS_SNAPSHOTS"
_SIGNING_KEY = "RECSYS_SIGNING_KEY"
_VERIFY_KEY = "RECSYS_VERIFY_KEY"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``list``, as text; ``note`` says why a version cannot be served."""

    version: str
    current: str = ""
    built_at: str = ""
    events_up_to: str = ""
    users: str = ""
    items: str = ""
    ndcg: str = ""
    signed: str = ""
    note: str = ""


_TITLES = ("version", "current", "built at", "events up to", "users", "items", "NDCG@10", "signed", "note")
_NUMBERS = ("users", "items", "NDCG@10")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; each sets ``func``, a function of the parsed arguments that returns the exit code."""
    _add(subparsers, "list", _list, "show the snapshots, oldest first")
    verify = _add(
        subparsers,
        "verify",
        _verify,
        "check every file of a snapshot, and its signature when there is a key; show what was chosen for it, and why",
    )
    verify.add_argument("version", metavar="VERSION", nargs="?", help="the current one when left out")
    verify.add_argument(
        "--absent",
        metavar="USER|@FILE",
        help="also look for every trace of a user, or of all users in a file, one id a line; exit 3 where there is one",
    )
    publish = _add(subparsers, "publish", _publish, "verify a snapshot and make it current")
    publish.add_argument("version", metavar="VERSION")
    _add(subparsers, "rollback", _rollback, "make the snapshot current that was before")
    prune = _add(subparsers, "prune", _prune, "delete old snapshots, never the current one")
    prune.add_argument(
        "--keep", metavar="N", type=int, required=True, help="how many of the newest to keep, at least 1"
    )


def signing_key_from(environment: Mapping[str, str]) -> SigningKey | None:
    """The key in RECSYS_SIGNING_KEY (a value or @/path/to/file), None when it is not set. InputError on a bad one."""
    value = environment.get(_SIGNING_KEY)
    return None if value is None else signing_key(key_text(value))


def verify_key_from(environment: Mapping[str, str]) -> VerifyKey | None:
    """The key in RECSYS_VERIFY_KEY (a value or @/path/to/file), None when it is not set. InputError on a bad one."""
    value = environment.get(_VERIFY_KEY)
    return None if value is None else verify_key(key_text(value))


def _add(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    func: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument(
        "--snapshots",
        metavar="DIR",
        default=os.environ.get(_SNAPSHOTS),
        help=f"snapshot folder (default ${_SNAPSHOTS})",
    )
    parser.set_defaults(func=func)
    return parser


def _store(args: argparse.Namespace) -> SnapshotStore:
    if not args.snapshots:
        raise InputError(f"name the snapshot folder with --snapshots DIR or {_SNAPSHOTS}")
    root = Path(args.snapshots)
    if not root.is_dir():
        raise InputError(f"snapshot folder {root} does not exist")
    return SnapshotStore(root, verify_key=verify_key_from(os.environ))


def _list(args: argparse.Namespace) -> int:
    store = _store(args)
    try:
        current, complaint = store.current(), ""
    except NoSnapshot:
        current, complaint = "", ""
    except SnapshotCorrupt as error:
        current, complaint = "", str(error)
    rows = [_row(store, version, Path(args.snapshots) / version, current) for version in store.versions()]
    console = Console()
    if not rows:
        console.print(f"no snapshots under {args.snapshots}", highlight=False, markup=False)
    elif console.is_terminal:
        console.print(_table(rows))
    else:
        print("\t".join(_TITLES))
        for row in rows:
            print("\t".join(astuple(row)))
    if complaint:
        raise SnapshotCorrupt(complaint)
    return 0


def _verify(args: argparse.Namespace) -> int:
    store = _store(args)
    version = args.version or store.current()
    problems = store.problems(version)
    for problem in problems:
        print(f"{version}: {problem}")
    if problems:
        return 2
    manifest = store.manifest(version)
    print(f"{version}: verified {len(manifest.files)} files")
    if args.absent is not None:
        return _absent(SnapshotReader(Path(args.snapshots) / version), manifest, args.absent)
    for line in choices_told(manifest):
        print(line)
    return 0


def _absent(reader: SnapshotReader, manifest: Manifest, wanted: str) -> int:
    """0 when no file of the snapshot has a trace of the wanted users, else 3."""
    signature = [SIGNATURE] if (reader.folder / SIGNATURE).exists() else []
    user_ids = _user_ids(wanted)
    with Stages() as stages:
        absence = Absence(reader, [*manifest.files, MANIFEST, *signature])
        with stages.stage("look for users", total=len(manifest.files) + 1 + len(signature)) as step:
            looked = absence.of(user_ids, step.advance)
    present = [one for one in looked if one.places]
    for one in present:
        print(f"{reader.version}: user {one.user_id!r} is present: {', '.join(one.places)}")
    n_absent = len(looked) - len(present)
    if len(looked) == 1 and n_absent:
        print(f"{reader.version}: no trace of user {looked[0].user_id!r}")
    elif n_absent:
        print(f"{reader.version}: no trace of {n_absent:,} of {len(looked):,} users")
    print(absence.scope())
    if narrow := sum(not one.as_bytes for one in looked):
        print(
            f"{narrow:,} of the ids are short, mere numbers or items' ids too: looked for where users are kept, not as "
            "bytes, which would stand anywhere"
        )
    return TRACE_FOUND if present else 0


def _user_ids(wanted: str) -> list[str]:
    """The users that ``--absent`` names. InputError when there are none."""
    if not wanted.startswith("@"):
        lines = [wanted]
    else:
        try:
            lines = Path(wanted[1:]).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"{wanted[1:]} is not UTF-8 text") from error
    user_ids = list(dict.fromkeys(line for line in lines if line.strip()))
    if not user_ids:
        raise InputError(f"--absent {wanted} names no user")
    return user_ids


def _publish(args: argparse.Namespace) -> int:
    _store(args).publish(args.version)
    print(f"{args.version} is current")
    return 0


def _rollback(args: argparse.Namespace) -> int:
    print(f"{_store(args).roll_back()} is current")
    return 0


def _prune(args: argparse.Namespace) -> int:
    removed = _store(args).prune(args.keep)
    for version in removed:
        print(f"{version} deleted")
    print(f"{len(removed)} deleted")
    return 0


def _row(store: SnapshotStore, version: str, folder: Path, current: str) -> Row:
    marker = "current" if version == current else ""
    try:
        manifest = store.manifest(version)
        signature = store.signature(version)
        signed = "no" if signature is None else signature_fields(signature)["algorithm"]
    except RecsysError as error:
        return Row(version, marker, note=str(error).removeprefix(f"snapshot {version}: "))
    return Row(
        version,
        marker,
        built_at=_minute(datetime.fromisoformat(manifest.built_at)),
        events_up_to=_minute(datetime.fromtimestamp(manifest.event_window_end, UTC)),
        users=f"{manifest.n_users:,}",
        items=f"{manifest.n_items:,}",
        ndcg=_ndcg(folder),
        signed=signed,
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _ndcg(folder: Path) -> str:
    """NDCG@10 of the pipeline on the task ``all`` in report.json's validation; "" where a report has none."""
    try:
        value: Any = parsed((folder / "report.json").read_bytes())
    except (OSError, ValueError):
        return ""
    for key in ("validation", "tasks", "all", "pipeline", "ndcg@10"):
        value = value.get(key) if isinstance(value, dict) else None
    return f"{value:.4f}" if isinstance(value, float) else ""


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Snapshots, oldest first")
    for title in _TITLES:
        table.add_column(title, justify="right" if title in _NUMBERS else "left", no_wrap=title == "version")
    for row in rows:
        style = "red" if row.note else "bold" if row.current else ""
        # Text, not str: what is read from disk must not be taken for markup.
        table.add_row(*(Text(cell) for cell in astuple(row)), style=style)
    return table

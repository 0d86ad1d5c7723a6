"""A small shop with habits and tastes, and a snapshot built from it by the real command, for tests of whole paths."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import settings

from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore

# Machines are shared: an example that took long says nothing of the code. What must be fast is measured beside an echo.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

FIRST_DAY = 1_735_689_600  # 2025-01-01
DAY_S = 86_400
N_DAYS = 182
KINDS = ("Tea", "Bread", "Cheese", "Fruit", "Soap", "Candles")
ADJECTIVES = ("green", "dark", "fresh", "small", "rich", "sweet", "plain", "warm", "old", "fine", "soft", "wild")
CHINESE_ITEM, CHINESE_USER = "商品-01", "用户-001"
VARIABLES = (
    "RECSYS_SNAPSHOTS",
    "RECSYS_SIGNING_KEY",
    "RECSYS_VERIFY_KEY",
    "RECSYS_TOKEN_KEY",
    "RECSYS_CACHE",
    "RECSYS_STAGES_GB",
    "RECSYS_ADDRESS",
    "RECSYS_COMPILED_CACHE",
)
MAIN = "import sys; from index.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class Shop:
    """The three tables. Events: half a year of purchases and a few views.

    Items are item-00, item-01 …, users user-000, user-001 …; one item and one user have Chinese names.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame

    def write(self, folder: Path, settings: str = "") -> Path:
        """One table a format, so that every reader is used, and beside them ``settings`` as recsys.toml."""
        folder.mkdir(parents=True, exist_ok=True)
        self.events.write_parquet(folder / "events.parquet")
        self.items.write_csv(folder / "items.csv")
        self.users.write_ndjson(folder / "users.jsonl")
        if settings:
            (folder / "recsys.toml").write_text(settings, encoding="utf-8")
        return folder

    def without_text(self) -> Shop:
        """The same shop with nothing to embed, so that a rebuild needs no encoder."""
        return Shop(self.events, self.items.select("item_id", "price"), self.users)


@dataclass(frozen=True, slots=True)
class World:
    """A shop on disk and the snapshot that ``recsys-index rebuild`` published from it; not to be changed.

    cache: the embedding cache, warm with every text of the shop · output: what the command printed, errors included.
    """

    data: Path
    snapshots: Path
    cache: Path
    version: str
    output: str


def open_shop(n_users: int = 120, n_items: int = 80, seed: int = 5) -> Shop:
    """Each user buys some products again on a rhythm of their own, and tries others of the kinds they like."""
    rng = np.random.default_rng(seed)
    kind_of = np.arange(n_items) % len(KINDS)
    prices = rng.uniform(1, 20, n_items).round(2)
    appeal = 1.0 / (1.0 + np.arange(n_items) / 10)
    rows: list[tuple[int, int, str, int]] = []
    for user in range(n_users):
        liking = rng.dirichlet(np.full(len(KINDS), 0.4))
        taste = liking[kind_of] * appeal + 1e-4
        taste /= taste.sum()
        for item in rng.choice(n_items, 5, replace=False, p=taste):
            rhythm = rng.uniform(6, 20)
            days = np.arange(rng.uniform(0, rhythm), N_DAYS, rhythm)
            seconds = ((days + rng.normal(0, 0.7, len(days))).clip(0, N_DAYS - 0.01) * DAY_S).astype(int)
            rows += [(user, int(item), "purchase", int(second)) for second in seconds]
        n_tried = 35
        tried = rng.choice(n_items, n_tried, p=taste)
        for item, moment in zip(tried, rng.integers(0, N_DAYS * DAY_S, n_tried), strict=True):
            rows.append((user, int(item), "purchase" if rng.random() < 0.8 else "view", int(moment)))
    buyers, sold, types, moments = zip(*rows, strict=True)
    events = pl.DataFrame(
        {
            "user_id": [f"user-{user:03d}" for user in buyers],
            "item_id": [f"item-{item:02d}" for item in sold],
            "event_type": types,
            "timestamp": pl.from_epoch(pl.Series([FIRST_DAY + s for s in moments]), "s").dt.replace_time_zone("UTC"),
            "quantity": [1 + (item % 3) for item in sold],
            "price": prices[list(sold)],
        }
    ).unique(maintain_order=True)
    kinds = [KINDS[kind] for kind in kind_of]
    table = pl.DataFrame(
        {
            "item_id": [f"item-{item:02d}" for item in range(n_items)],
            "title": [f"{kinds[i]}, {ADJECTIVES[i // len(KINDS) % 12]} no. {i}" for i in range(n_items)],
            "category": [f"Shop > {kind}" for kind in kinds],
            "brand": [f"Brand {'ABCD'[i % 4]}" for i in range(n_items)],
            "price": prices,
        }
    )
    profiles = pl.DataFrame(
        {
            "user_id": [f"user-{user:03d}" for user in range(n_users)],
            "age": rng.integers(18, 80, n_users),
            "city": rng.choice(["Kiel", "Ulm", "Jena"], n_users),
        }
    )
    chinese = pl.col("^(user|item)_id$").replace({"item-01": CHINESE_ITEM, "user-001": CHINESE_USER})
    renamed = pl.when(pl.col("item_id") == CHINESE_ITEM).then(pl.lit("龙井绿茶")).otherwise("title").alias("title")
    return Shop(
        events.with_columns(chinese), table.with_columns(chinese).with_columns(renamed), profiles.with_columns(chinese)
    )


@pytest.fixture(scope="session")
def shop() -> Shop:
    """The shop of ``world``, in memory."""
    return open_shop()


@pytest.fixture(scope="session")
def corner_shop() -> Shop:
    """A smaller shop without anything to embed.

    Half a year gives twelve windows; a rebuild told to learn from two takes a few seconds, rankers and all.
    """
    return open_shop(60, 30).without_text()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, shop: Shop) -> World:
    """The shop and its snapshot, built once however many processes run the tests."""
    base = tmp_path_factory.getbasetemp()
    # Under pytest-xdist each process has a folder of its own below the run's folder.
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "world"
    root.mkdir(exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        output = root / "output.txt"
        if not output.exists():
            shop.write(root / "data")
            output.write_text(_rebuilt(root), encoding="utf-8")
    version = (root / "snapshots" / "CURRENT").read_text().strip()
    return World(root / "data", root / "snapshots", root / "cache", version, output.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def world_snapshot(world: World) -> Snapshot:
    """The snapshot of ``world``, in memory."""
    return Snapshot.read(SnapshotStore(world.snapshots).open(world.version))


def _rebuilt(root: Path) -> str:
    words = ["--data", root / "data", "--snapshots", root / "snapshots", "--cache", root / "cache"]
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "rebuild", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in VARIABLES}


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def run_index() -> Callable[..., Ran]:
    """``run_index(*words)``: as ``index_command``, for what the tests of a module share."""
    from index.cli import main

    def run(*words: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err):
            for name in VARIABLES:
                environment.delenv(name, raising=False)
            code = main([str(word) for word in words])
        return Ran(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def index_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """``index_command(*words)``: runs recsys-index in this process with none of its variables set."""
    from index.cli import main

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Ran:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def rebuild(index_command: Callable[..., Ran], tmp_path: Path) -> Callable[..., Ran]:
    """``rebuild(data, *words)``: rebuilds into the folder snapshots of ``tmp_path``, with a cache of its own."""
    return lambda data, *words: index_command(
        "rebuild", "--data", data, "--snapshots", tmp_path / "snapshots", "--cache", tmp_path / "cache", *words
    )


@contextmanager
def serving(snapshots: Path, log: Path) -> Iterator[str]:
    """HOST:PORT of a ``recsys-server`` process on ``snapshots`` that serves already; ended by its id afterwards.

    Its log goes to ``log``.
    """
    options = ["--snapshots", str(snapshots), "--address", "127.0.0.1:0", "--clock", "snapshot", "--poll-s", "0.05"]
    options += ["--compiled-cache", "off"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=_environment(),
        )
        try:
            assert process.stdout is not None
            target = ""
            for line in process.stdout:
                if line.startswith("listening on "):
                    target = line.split()[-1]
                if " serves " in line:
                    break
            assert process.poll() is None, log.read_text()
            yield target
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture(scope="session")
def serve_process() -> Callable[[Path, Path], object]:
    """``with serve_process(snapshots, log) as target``: see ``serving``."""
    return serving


@pytest.fixture(scope="module")
def world_target(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a server process on ``world``, shared by the tests of a module."""
    with serving(world.snapshots, tmp_path_factory.mktemp("server") / "log.txt") as target:
        yield target

"""The process that compiles the rankers of one snapshot into the cache. Started by the supervisor, one at a time."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from recsys.compiled.cache import KEPT, ForestCache
from recsys.compiled.compiler import compile_forest
from recsys.compiled.forest import CompiledForest, require_equal
from recsys.compiled.toolchain import toolchain
from recsys.errors import RecsysError
from recsys.model import ranker_file
from recsys.ranker import Forest
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.signature import key_text, verify_key
from recsys.snapshot.store import SnapshotStore
from server.children import settings_from_parent, when_parent_ends
from server.log import configure
from server.settings import Settings

# By name: started as a script, this module is called __main__.
LOG = logging.getLogger("server.compile_rankers")


def compile_rankers(settings: Settings, version: str) -> bool:
    """Compile what the cache lacks of ``version``; whether it has all rankers now. Failures are logged, each once.

    RecsysError on a snapshot that cannot be read and on a cache that cannot be used.
    """
    assert settings.compiled_cache is not None
    key = verify_key(key_text(settings.verify_key)) if settings.verify_key else None
    source = SnapshotStore(settings.snapshots, verify_key=key).open(version)
    manifest = Manifest.read(source.folder)
    names = source.json("rankers.json")
    if not names:
        return True
    cache = ForestCache(settings.compiled_cache, toolchain())
    with cache.locked() as work:
        # A list: after one failure the others are still compiled.
        done = [_compiled(cache, source, manifest, name, work) for name in names]
        cache.prune(max(KEPT, len(names)))
    return all(done)


def _compiled(cache: ForestCache, source: SnapshotReader, manifest: Manifest, name: str, work: Path) -> bool:
    digest, n_features = manifest.files[ranker_file(name)].sha256, len(manifest.features)
    if cache.has(digest, n_features):
        return True
    started = perf_counter()
    text = source.text(ranker_file(name))
    fields: dict[str, object] = {"snapshot": manifest.version, "ranker": name}
    try:
        code = compile_forest(text, n_features, work)
        # Run here first: code that crashes must take this process with it and no worker.
        require_equal(CompiledForest.of(code, n_features), Forest.of_text(text, manifest.features))
        cache.put(digest, code, n_features, work)
    except Exception as error:
        fields |= {"reason": str(error), "error": type(error).__name__}
        expected = isinstance(error, RecsysError)
        LOG.error(
            "ranker not compiled, LightGBM scores", extra={"fields": fields}, exc_info=None if expected else error
        )
        return False
    fields |= {"seconds": round(perf_counter() - started, 1), "n_bytes": len(code.code)}
    LOG.info("ranker compiled", extra={"fields": fields})
    return True


def main() -> int:
    """Compile the rankers of the version that is the one argument; 0 when the cache has all of them, else 1."""
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure("compiler")
    with suppress(OSError):
        # Where memory runs out this is the process to end.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        settings = settings_from_parent("server.compile_rankers")
        when_parent_ends(lambda: os._exit(1))
        return 0 if compile_rankers(settings, sys.argv[1]) else 1
    except RecsysError as error:
        LOG.error("rankers not compiled, LightGBM scores", extra={"fields": {"reason": str(error)}})
        return 1


if __name__ == "__main__":
    sys.exit(main())

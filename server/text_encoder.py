"""Texts of queries as vectors, from the encoder's process. No search waits long for it, and none fails with it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic

import grpc
import numpy as np

from protos.encoder.v1.encoder_service_pb2 import EncodeTextsRequest, EncodeTextsResponse
from protos.encoder.v1.encoder_service_pb2_grpc import EncoderServiceStub
from recsys.arrays import Float32, frozen
from recsys.model import Snapshot

LOG = logging.getLogger(__name__)
# Encoding a query takes some 10 ms; of a caller's deadline half is left for the answer.
LONGEST_WAIT_S = 1.0
SHARE_OF_DEADLINE = 0.5
# After a failure nobody waits for it for so long: an encoder that hangs must not hold the threads of all searches.
REST_S = 5.0
# Without it gRPC tries an encoder that was away for long every two minutes only.
_RECONNECT = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
# 6 MB of 384 numbers each: pages of one list, and what many look for.
MOST_REMEMBERED = 4096
NOT_CONFIGURED, UNAVAILABLE, OTHER_MODEL = "encoder:not_configured", "encoder:unavailable", "encoder:other_model"
WORDS_ALONE = "found by words alone: no encoder told what is near the query in meaning"


@dataclass(frozen=True, slots=True)
class Meanings:
    """vectors: by text, each (d,) float32 · degraded: why there is none, "" where there is or none is needed."""

    vectors: Mapping[str, Float32] = field(default_factory=dict)
    degraded: str = ""


NO_MEANINGS = Meanings()


class TextEncoder:
    """The encoder at ``address`` (HOST:PORT or unix:PATH); None is none. ``clock``: seconds that only grow.

    What it said is remembered, so the pages of a list find the same although it may be gone meanwhile.
    """

    def __init__(self, address: str | None, clock: Callable[[], float] = monotonic) -> None:
        channel = grpc.insecure_channel(address, options=_RECONNECT) if address else None
        self._stub = EncoderServiceStub(channel) if channel is not None else None
        self._clock = clock
        self._rests_until = -np.inf
        self._lock = threading.Lock()
        self._model = ""
        self._remembered: OrderedDict[str, Float32] = OrderedDict()

    def meanings(self, texts: Iterable[str], snapshot: Snapshot, left_s: float | None) -> Meanings:
        """Vectors of ``texts`` that can be compared with those of ``snapshot``, to be there well within ``left_s``."""
        wanted = list(dict.fromkeys(texts))
        content = snapshot.model.content
        if not wanted or content is None:
            return NO_MEANINGS  # a catalogue without texts has nothing near to any
        if self._stub is None:
            return Meanings(degraded=NOT_CONFIGURED)
        model, vectors = self._known(wanted)
        # Twice where the model was replaced meanwhile; where models take turns at an address there is none to go by.
        for _ in range(2):
            missing = [text for text in wanted if text not in vectors]
            asked = self._asked(missing, left_s) if missing else (model, {})
            if asked is None:
                return Meanings(degraded=UNAVAILABLE)
            if asked[0] != model:
                vectors = {}  # of another model, which has been replaced since
            model = asked[0]
            vectors |= asked[1]
            if len(vectors) == len(wanted):
                break
        else:
            return Meanings(degraded=OTHER_MODEL)
        expected = snapshot.encoder_model
        if (expected and expected != model) or any(len(one) != content.index.width for one in vectors.values()):
            return Meanings(degraded=OTHER_MODEL)
        return Meanings(vectors)

    def _known(self, texts: Iterable[str]) -> tuple[str, dict[str, Float32]]:
        """The model of what is remembered, and what of it is asked for."""
        with self._lock:
            found = {text: self._remembered[text] for text in texts if text in self._remembered}
            for text in found:
                self._remembered.move_to_end(text)
            return self._model, found

    def _asked(self, texts: list[str], left_s: float | None) -> tuple[str, dict[str, Float32]] | None:
        """The encoder's model and the vectors of ``texts``; None when they cannot be had."""
        assert self._stub is not None
        if self._clock() < self._rests_until:
            return None
        timeout_s = LONGEST_WAIT_S if left_s is None else min(LONGEST_WAIT_S, SHARE_OF_DEADLINE * left_s)
        try:
            answer = self._stub.EncodeTexts(EncodeTextsRequest(texts=texts), timeout=timeout_s)
            vectors = _vectors(answer, len(texts))
        except (grpc.RpcError, ValueError) as error:
            reason = error.code().name if isinstance(error, grpc.Call) else str(error)
            LOG.warning("the text encoder failed", extra={"fields": {"reason": reason}})
            # A short deadline of a caller's own says nothing about the encoder.
            if timeout_s >= LONGEST_WAIT_S or reason != grpc.StatusCode.DEADLINE_EXCEEDED.name:
                self._rests_until = self._clock() + REST_S
            return None
        found = dict(zip(texts, vectors, strict=True))
        self._remember(answer.model, found)
        return answer.model, found

    def _remember(self, model: str, found: Mapping[str, Float32]) -> None:
        with self._lock:
            if model != self._model:
                self._remembered.clear()
                self._model = model
            self._remembered |= found
            while len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)


def _vectors(answer: EncodeTextsResponse, n_texts: int) -> list[Float32]:
    """(d,) for each text. ValueError when the answer is none to so many."""
    if answer.width <= 0 or len(answer.vectors) != 4 * answer.width * n_texts:
        raise ValueError(f"{len(answer.vectors)} bytes are no {n_texts} vectors of {answer.width} numbers")
    table = np.frombuffer(answer.vectors, "<f4").reshape(n_texts, answer.width)
    if not np.isfinite(table).all():
        raise ValueError("vectors must be finite")
    return [frozen(row.copy(), np.float32) for row in table]

"""Requests as a hostile caller would make them: every method, every field, what the wire permits and what it does not.

Made from the descriptors, so that a field or a method that is added is asked with nonsense from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from protos.recommender.v1 import event_service_pb2, recommendation_service_pb2, snapshot_service_pb2, user_service_pb2

MODULES = (event_service_pb2, recommendation_service_pb2, snapshot_service_pb2, user_service_pb2)
# What a caller may be told: an answer, what is wrong with the question, or that it is too much.
FAIR = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
_INTEGERS = (0, 1, -1, 20, 200, 201, 10_000, 2**31 - 1, -(2**31))
_WIDE = (*_INTEGERS, 999_999_999, 1_000_000_000, 4_133_980_800, 2**63 - 1, -(2**63))
_FLOATS = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1.7e308)
_PIECES = (
    *("(", ")", "NOT ", "-", " AND ", " OR ", " ", "price", "title", "in_stock", "category", "nothing", "attributes."),
    *(" < ", ">=", "=", "!=", ":", "*", '"', '"Food > Shelf 1"', "1e400", "NaN", "2", "\\", "茶", "\0", "2025-13-45"),
)
_SCALARS = {
    FieldDescriptor.CPPTYPE_INT32: st.sampled_from(_INTEGERS) | st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from(_INTEGERS) | st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from(_WIDE) | st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: st.sampled_from(_FLOATS) | st.floats(width=32),
    FieldDescriptor.CPPTYPE_DOUBLE: st.sampled_from(_FLOATS) | st.floats(),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}


# Bytes of the largest lists: gRPC refuses more than 4 MiB.
LARGEST_REQUEST = 5_000_000


@dataclass(frozen=True)
class Hostile:
    """A call: its path and the bytes of its request."""

    path: str
    body: bytes

    def __repr__(self) -> str:
        return f"Hostile({self.path!r}, {self.body[:400]!r}, {len(self.body)} bytes)"


def methods() -> list[MethodDescriptor]:
    """Every method of every service of ours."""
    services = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def hostile_calls(known: Sequence[str], tokens: Sequence[str]) -> st.SearchStrategy[Hostile]:
    """Calls of all methods. known: ids and names that the server knows · tokens: page tokens that it gave out."""
    texts = _texts(known, tokens)
    return st.sampled_from(methods()).flatmap(lambda method: _calls_of(method, texts))


def told(channel: grpc.Channel, call: Hostile, *, timeout_s: float) -> grpc.StatusCode:
    """The code that ``call`` is answered with; a response that cannot be parsed is DATA_LOSS."""
    method = next(method for method in methods() if path_of(method) == call.path)
    try:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(call.path)
        body = ask(call.body, timeout=timeout_s)
        GetMessageClass(method.output_type).FromString(body)
    except grpc.RpcError as error:
        return error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    except DecodeError:
        return grpc.StatusCode.DATA_LOSS
    return grpc.StatusCode.OK


def path_of(method: MethodDescriptor) -> str:
    """/package.Service/Method."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _calls_of(method: MethodDescriptor, texts: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[Hostile]:
    sane = _messages(method.input_type, texts).map(lambda message: message.SerializeToString())
    # Text that is no UTF-8, in any string field and in fields that nobody has declared; a message cut off; mere bytes.
    torn = st.builds(
        lambda body, number, junk: body + _key(number) + bytes([len(junk)]) + junk,
        sane,
        st.integers(1, 40),
        st.binary(max_size=60),
    )
    cut = st.builds(lambda body, share: body[: int(share * len(body))], sane, st.floats(0, 1))
    bodies = st.one_of(sane, sane, sane, torn, cut, st.binary(max_size=300))
    return bodies.map(lambda body: Hostile(path_of(method), body))


def _key(number: int) -> bytes:
    """The key of length-delimited field ``number`` as it travels."""
    key = number << 3 | 2
    return bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])


def _texts(known: Sequence[str], tokens: Sequence[str]) -> dict[str, st.SearchStrategy[str]]:
    """Texts by the name of the field; "" for all others."""
    long = st.builds(
        lambda piece, n: piece * n, st.sampled_from(["x", "茶", "\0", "../", "👩‍👩‍👧"]), st.integers(1, 3000)
    )
    any_text = st.one_of(st.sampled_from([*known, ""]), st.text(max_size=40), long)
    deep = st.builds(
        lambda piece, n, end: piece * n + "price < 2" + end * n,
        st.sampled_from(["(", "NOT ", "-", "NOT (", "price < 1 AND ", "price < 1 OR ", "a:("]),
        st.integers(1, 2500),
        st.sampled_from(["", ")", " )", " AND "]),
    )
    pieces = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)
    token = st.sampled_from(list(tokens))
    forged = st.builds(
        lambda text, at, put: text[: at % len(text)] + put + text[at % len(text) + len(put) :],
        token,
        st.integers(0, 10_000),
        st.sampled_from(["A", "_", "=", "", "茶", "gAAAAA"]),
    )
    return {"": any_text, "filter": st.one_of(pieces, deep, any_text), "page_token": st.one_of(token, forged, any_text)}


def _messages(kind: Any, texts: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[Message]:
    """Messages of descriptor ``kind`` in which a few fields are set, so that some pass, or any of them."""
    values = {field.name: _values(field, texts) for field in kind.fields}
    if not values:
        return st.builds(GetMessageClass(kind))
    few = st.sets(st.sampled_from(sorted(values)), max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: values[name] for name in sorted(names)})
    )
    many = st.fixed_dictionaries({}, optional=values)
    return st.one_of(few, few, many).map(lambda fields: GetMessageClass(kind)(**fields))


def _values(field: FieldDescriptor, texts: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[Any]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key, value = (_values(entry.fields_by_name[name], texts) for name in ("key", "value"))
        return st.dictionaries(key, value, max_size=70)
    if entry is not None:
        one: st.SearchStrategy[Any] = st.deferred(lambda: _messages(entry, texts))
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        one = texts.get(field.name, texts[""])
    else:
        one = _SCALARS[field.cpp_type]
    if not field.is_repeated:
        return one
    counts = [99, 101, 256, 257, 1000, 1001, 20_000] if entry is None else [256, 257]
    return st.one_of(st.lists(one, max_size=4), st.builds(_repeated, one, st.sampled_from(counts)))


def _repeated(value: Any, n: int) -> list[Any]:
    """``n`` times ``value``, or as many as make up somewhat more than a server takes."""
    size = value.ByteSize() if isinstance(value, Message) else len(str(value).encode())
    return [value] * min(n, LARGEST_REQUEST // (size + 1))

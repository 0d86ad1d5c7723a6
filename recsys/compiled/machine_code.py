"""Machine code that runs wherever it is put: an ELF object flattened into one block that refers to nothing outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import CodeRefused

# System V ABI, AMD64 supplement, chapters 4 and 5: a relocatable object of little-endian 64-bit code for x86-64.
_IDENTITY = b"\x7fELF\x02\x01"
_RELOCATABLE, _X86_64 = 1, 62
_SYMBOL_TABLE, _RELOCATIONS, _RELOCATIONS_WITHOUT_ADDEND, _NO_BITS = 2, 4, 9, 8
_WRITABLE, _LOADED = 1, 2
# S + A - P in 32 bits, all that code of one block needs; the second is the same for a call.
_PC32, _PLT32 = 2, 4


def _record(fields: str) -> np.dtype[Any]:
    """Little-endian and packed, as ELF is; ``fields``: name:type, in order."""
    return np.dtype([(name, f"<{kind}") for name, kind in (field.split(":") for field in fields.split())])


_HEADER = _record(
    "identity:S16 type:u2 machine:u2 version:u4 entry:u8 programs_at:u8 sections_at:u8 flags:u4 size:u2 "
    "program_size:u2 n_programs:u2 section_size:u2 n_sections:u2 names:u2"
)
_SECTION = _record("name:u4 type:u4 flags:u8 address:u8 offset:u8 size:u8 link:u4 info:u4 align:u8 entry_size:u8")
_SYMBOL = _record("name:u4 info:u1 other:u1 section:u2 value:u8 size:u8")
_RELOCATION = _record("offset:u8 type:u4 symbol:u4 addend:i8")


@dataclass(frozen=True, slots=True)
class MachineCode:
    """One block of position-independent code and constants; ``entry``: where in it the function begins."""

    code: bytes
    entry: int


def flattened(raw: bytes, function: str) -> MachineCode:
    """The code and constants of the ELF object ``raw`` in one block, every reference between them resolved.

    CodeRefused when it needs anything else: another object's functions, writable memory, another kind of reference.
    """
    try:
        return _flattened(raw, function.encode())
    except (ValueError, IndexError, OverflowError) as error:
        raise CodeRefused("the compiler's object is garbled") from error


def _flattened(raw: bytes, function: bytes) -> MachineCode:
    header = _table(raw, _HEADER, 0, 1)[0]
    if raw[:6] != _IDENTITY or (header["type"], header["machine"]) != (_RELOCATABLE, _X86_64):
        raise CodeRefused("the compiler's object is not one for x86-64")
    sections = _table(raw, _SECTION, header["sections_at"], header["n_sections"])
    block, starts = _laid_out(raw, sections)
    tables = [section for section in sections if section["type"] == _SYMBOL_TABLE]
    if len(tables) != 1:
        raise CodeRefused(f"the compiler's object has {len(tables)} symbol tables")
    symbols = _table(raw, _SYMBOL, tables[0]["offset"], tables[0]["size"] // _SYMBOL.itemsize)
    for section in sections:
        if section["type"] in (_RELOCATIONS, _RELOCATIONS_WITHOUT_ADDEND) and section["info"] in starts:
            _relocate(block, starts, symbols, raw, section)
    names = sections[tables[0]["link"]]
    text = raw[int(names["offset"]) : int(names["offset"] + names["size"])]
    for symbol in symbols[symbols["section"] != 0]:
        if int(symbol["section"]) in starts and text[symbol["name"] :].startswith(function + b"\0"):
            return MachineCode(block.tobytes(), starts[int(symbol["section"])] + int(symbol["value"]))
    raise CodeRefused(f"the compiler's object has no function {function.decode()}")


def _laid_out(raw: bytes, sections: NDArray[Any]) -> tuple[NDArray[np.uint8], dict[int, int]]:
    """The sections that must be in memory, one behind another, and where each begins by its number."""
    starts: dict[int, int] = {}
    parts: list[bytes] = []
    end = 0
    for number, section in enumerate(sections):
        if not section["flags"] & _LOADED or not section["size"]:
            continue
        if section["flags"] & _WRITABLE or section["type"] == _NO_BITS:
            raise CodeRefused("the compiler's object wants writable memory")
        align, offset, size = (int(section[name]) for name in ("align", "offset", "size"))
        start = -(-end // max(1, align)) * max(1, align)
        parts += [bytes(start - end), raw[offset : offset + size]]
        if len(parts[-1]) != size:
            raise ValueError("a section ends behind the file")
        starts[number], end = start, start + size
    return np.frombuffer(bytearray().join(parts), np.uint8), starts


def _relocate(
    block: NDArray[np.uint8], starts: dict[int, int], symbols: NDArray[Any], raw: bytes, section: NDArray[Any]
) -> None:
    """Write into ``block`` the distance to each symbol that code in the section's target refers to."""
    if section["type"] == _RELOCATIONS_WITHOUT_ADDEND:
        raise CodeRefused("the compiler's object has references of a kind that is not known")
    entries = _table(raw, _RELOCATION, section["offset"], section["size"] // _RELOCATION.itemsize)
    if unknown := set(entries["type"].tolist()) - {_PC32, _PLT32}:
        raise CodeRefused(f"the compiler's object has references of the kinds {sorted(unknown)}, which are not known")
    to = symbols[entries["symbol"]]
    if outside := set(to["section"].tolist()) - set(starts):
        raise CodeRefused(f"the compiler's object refers to sections {sorted(outside)}, which are not in it")
    begins = np.zeros(max(starts) + 1, np.int64)
    begins[list(starts)] = list(starts.values())
    places = begins[section["info"]] + entries["offset"].astype(np.int64)
    distances = begins[to["section"]] + to["value"].astype(np.int64) + entries["addend"] - places
    if len(places) and not (places.min() >= 0 and places.max() + 4 <= len(block) and abs(distances).max() < 2**31):
        raise ValueError("a reference leads out of the block")
    block[places[:, None] + np.arange(4)] = distances.astype("<i4").view(np.uint8).reshape(-1, 4)


def _table(raw: bytes, kind: np.dtype[Any], offset: Any, count: Any) -> NDArray[Any]:
    return np.frombuffer(raw, kind, count=int(count), offset=int(offset))

"""Objects as a compiler writes them, flattened: what refers to itself alone runs anywhere, all else is refused."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

import pytest

llvm = pytest.importorskip("llvmlite.binding")

from recsys.compiled.forest import CompiledForest  # noqa: E402 - after the skip
from recsys.compiled.machine_code import MachineCode, flattened  # noqa: E402
from recsys.errors import CodeRefused  # noqa: E402

# Writes 2.5 * rows[0] + 0.1 into scores[0]; the constants lie in a section of their own.
SCALE = """
define void @other() { ret void }
define void @run(double* %rows, double* %scores, i32 %a, i32 %b) {
  %x = load double, double* %rows
  %y = fmul double %x, 2.5
  %z = fadd double %y, 0x3FB999999999999A
  store double %z, double* %scores
  ret void
}
"""


def assembled(source: str, code_model: str = "small") -> bytes:
    llvm.initialize()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(reloc="pic", codemodel=code_model)
    return bytes(machine.emit_object(llvm.parse_assembly(source)))


def test_code_and_constants_run_from_one_block() -> None:
    code = flattened(assembled(SCALE), "run")
    forest = CompiledForest.of(code, 1)
    rows, scores = (ctypes.c_double * 1)(3.0), (ctypes.c_double * 1)()

    forest.function(ctypes.addressof(rows), ctypes.addressof(scores), 0, 1)

    assert scores[0] == 2.5 * 3.0 + 0.1
    assert code.entry > 0
    assert len(code.code) < mmap.PAGESIZE


def test_the_function_is_found_by_its_whole_name() -> None:
    raw = assembled(SCALE)

    assert flattened(raw, "other").entry != flattened(raw, "run").entry
    for name in ("ru", "running", "ther"):
        with pytest.raises(CodeRefused, match=f"no function {name}"):
            flattened(raw, name)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("declare void @other()\ndefine void @run() { call void @other() ret void }", "refers to sections"),
        ("@cell = global i32 7\ndefine i32 @run() { %x = load i32, i32* @cell ret i32 %x }", "writable memory"),
    ],
)
def test_code_that_needs_anything_else_is_refused(source: str, reason: str) -> None:
    with pytest.raises(CodeRefused, match=reason):
        flattened(assembled(source), "run")


def test_references_of_the_large_code_model_are_refused() -> None:
    with pytest.raises(CodeRefused, match="which are not known"):
        flattened(assembled(SCALE, "large"), "run")


def test_an_object_for_another_machine_and_no_object_at_all_are_refused() -> None:
    raw = assembled(SCALE)

    with pytest.raises(CodeRefused, match="not one for x86-64"):
        flattened(raw[:18] + b"\xb7" + raw[19:], "run")
    for text in (b"", b"no object", bytes(500)):
        with pytest.raises(CodeRefused):
            flattened(text, "run")


def test_an_object_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    raw = assembled(SCALE)
    whole = flattened(raw, "run")
    results = set()
    for length in range(0, len(raw), 7):
        try:
            result: MachineCode | str = flattened(raw[:length], "run")
        except CodeRefused:
            result = "refused"
        results.add(result)

    assert results <= {"refused", whole}
    assert "refused" in results

"""From LightGBM's text to machine code. The one module that knows lleaves, and that only when it is called."""

from __future__ import annotations

from pathlib import Path

from recsys.compiled.machine_code import MachineCode, flattened
from recsys.errors import CodeRefused

_FUNCTION = "forest_root"
# Trees are summed in LightGBM's order only when each is a block of its own: the sums are then equal to the last bit.
_TREES_A_BLOCK = 1


def compile_forest(text: str, n_features: int, folder: Path) -> MachineCode:
    """The code of the forest ``text``: 5 to 20 s and 0.5 GB for some 250 trees of 31 leaves. ``folder``: for its files.

    CodeRefused on a forest that does not give one score a row. Whatever else the compiler raises comes through.
    """
    import lleaves  # 30 MB, and only a process that compiles needs it

    source, compiled = folder / "forest.txt", folder / "forest.o"
    compiled.unlink(missing_ok=True)
    source.write_text(text, encoding="utf-8")
    model = lleaves.Model(str(source))
    shape = model.num_feature(), model.num_model_per_iteration()
    if shape != (n_features, 1):
        raise CodeRefused(f"a forest has {shape[0]} features and {shape[1]} scores a row, not {n_features} and 1")
    # The small code model refers to constants by their distance, so that the code may lie anywhere.
    model.compile(
        cache=str(compiled),
        raw_score=True,
        fblocksize=_TREES_A_BLOCK,
        fcodemodel="small",
        froot_func_name=_FUNCTION,
        use_fp64=True,
    )
    return flattened(compiled.read_bytes(), _FUNCTION)

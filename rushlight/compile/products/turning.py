"""A square of eight rows by eight float32 with rows and columns exchanged, as assembly.

Nearly every program with products has one or two of these functions, and LLVM takes 4 ms for each
to find out which instructions its shuffles are. The numbers are only moved.
"""

from __future__ import annotations

from typing import Any

from ..code.emit import Function, Type
from .assembly import passage, spoken

_SIZE, _PART = 4, 4  # bytes of a number, and how many columns are done at a time
_VECTORS = 8  # registers that are used
# general registers, as System V hands over arguments; what is used besides belongs to nobody
_SOURCE, _STEP, _TARGET, _TO, _ROWS = "%rdi %rsi %rdx %rcx %r8".split()
_AFTER, _NEXT, _ROW, _LEFT = "%rax %r10 %r9 %r11".split()
_WOVEN = (  # what becomes of registers 0 to 3: numbers, then pairs of them, in turn
    ("vunpcklps", 1, 0, 4), ("vunpckhps", 1, 0, 5), ("vunpcklps", 3, 2, 6), ("vunpckhps", 3, 2, 7),
    ("vunpcklpd", 6, 4, 0), ("vunpckhpd", 6, 4, 1), ("vunpcklpd", 7, 5, 2), ("vunpckhpd", 7, 5, 3),
)  # fmt: skip


def suits(target: Any, type: Type) -> bool:
    """Whether squares of such vectors are written here for that target."""
    return spoken(target) and target.name == "avx2" and type.name == "float32" and type.lanes == 8


def emit(f: Function, edge: bool) -> None:
    """Write the function of `packing.turn_name`."""
    way_in, way_out, _ = passage(f.module.target, len(f.arguments), _VECTORS)
    f.assembly(
        [
            *way_in,
            f"shlq $2, {_STEP}", f"shlq $2, {_TO}",
            f"leaq ({_TO},{_TO},2), {_NEXT}", f"leaq ({_STEP},{_STEP},2), {_AFTER}",
            f"movl $2, {_LEFT}d",
            "1:",
            *(_rows_at_edge() if edge else _rows()),
            *(f"{name} %ymm{b}, %ymm{a}, %ymm{into}" for name, b, a, into in _WOVEN),
            *(f"vmovups %ymm{k}, {at}" for k, at in enumerate(_four(_TARGET, _TO, _NEXT))),
            f"leaq ({_TARGET},{_TO},4), {_TARGET}",
            f"addq ${_PART * _SIZE}, {_SOURCE}",
            f"decl {_LEFT}d", "jnz 1b",
            "vzeroupper", *way_out, "retq",
        ]
    )  # fmt: skip


def _four(first: str, step: str, thrice: str) -> list[str]:
    """The places of four rows that follow each other."""
    return [f"({first})", f"({first},{step})", f"({first},{step},2)", f"({first},{thrice})"]


def _rows() -> list[str]:
    """Four columns: row k in the lower half of register k, row k + 4 in its upper one."""
    low, high = _four(_SOURCE, _STEP, _AFTER), _four(_ROW, _STEP, _AFTER)
    return [
        f"leaq ({_SOURCE},{_STEP},4), {_ROW}",
        *(f"vmovups {at}, %xmm{k}" for k, at in enumerate(low)),
        *(f"vinsertf128 $1, {at}, %ymm{k}, %ymm{k}" for k, at in enumerate(high)),
    ]


def _rows_at_edge() -> list[str]:
    """The same, with the first row in the place of those that are not there.

    What `_NEXT` holds is made anew: it holds where a row is read meanwhile.
    """
    lines = [f"movq {_SOURCE}, {_ROW}", f"vmovups ({_SOURCE}), %xmm0"]
    for k in range(1, 8):
        into = k % 4
        upper = f"vinsertf128 $1, ({_NEXT}), %ymm{into}, %ymm{into}"
        lines += [
            f"addq {_STEP}, {_ROW}", f"movq {_SOURCE}, {_NEXT}",
            f"cmpq ${k}, {_ROWS}", f"cmovgq {_ROW}, {_NEXT}",
            f"vmovups ({_NEXT}), %xmm{into}" if k < 4 else upper,
        ]  # fmt: skip
    return [*lines, f"leaq ({_TO},{_TO},2), {_NEXT}"]

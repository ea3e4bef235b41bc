"""Processors that code is made for, and what the emitters must know of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..records import record


@record(frozen=True)
class Target:
    """What code is made for: an instruction set by name, and what emitters must know of it."""

    name: str
    cpu: str
    features: str
    triple: str
    bits: int
    registers: int
    fma: bool
    minimal: bool = True  # whether 3 x 3 convolutions may be done by minimal filtering

    @property
    def masks(self) -> bool:
        """Whether it writes masked lanes at once; AMD's AVX2 takes them one by one."""
        return self.bits == 512 or (self.name == "avx2" and not self.cpu.startswith("znver"))

    @property
    def pairs(self) -> bool:
        """Whether it multiplies bfloat16 two by two, adding both to a float32."""
        return self.name == "avx512bf16"

    def lanes(self, dtype: Any) -> int:
        """How many elements of `dtype` one vector register holds; those of "pairs" are words."""
        return self.bits // (8 * np.dtype(np.int32 if dtype == "pairs" else dtype).itemsize)


# name: machine, features it needs; LLVM's cpu for the forced set, bits, registers, multiply-add.
# ARM multiplies registers only: one of the 32 is left to the numbers that LLVM loads early.
# The first that a processor runs is taken: what stands behind it has to be asked for by name.
AVX512 = {"+fma", "+avx2", "+avx512f", "+avx512bw", "+avx512dq", "+avx512vl"}
SETS: dict[str, tuple[str, set[str], str, int, int, bool]] = {
    "avx512": ("x86_64", AVX512, "skylake-avx512", 512, 32, True),
    "avx512bf16": ("x86_64", AVX512 | {"+avx512bf16"}, "cooperlake", 512, 32, True),
    "avx2": ("x86_64", {"+fma", "+avx2"}, "haswell", 256, 16, True),
    "sse": ("x86_64", set(), "x86-64-v2", 128, 16, False),
    "neon": ("aarch64", set(), "generic", 128, 31, True),
}


def runs(name: str, triple: str, features: str) -> bool:
    """Whether a processor of such a triple, with LLVM's list of its features, runs a set's code."""
    machine, needed, *_ = SETS[name]
    return machine_of(triple) == machine and needed <= set(features.split(","))


def machine_of(triple: str) -> str:
    """The instruction set that a triple of LLVM begins with."""
    return triple.split("-")[0].replace("arm64", "aarch64")

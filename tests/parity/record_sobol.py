"""Record torch's Sobol points, and the direction numbers: `python tests/parity/record_sobol.py`.

The numbers are Joe and Kuo's published table "new-joe-kuo-6" as torch carries it; their polynomials
are all primitive ones by degree, then by coefficients, which is checked by the recurrence.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

TARGET = Path(__file__).parent / "data" / "sobol.json"
NUMBERS = Path(__file__).parents[2] / "rushlight" / "quasirandom.bin"
BITS, LARGEST_DEGREE = 30, 13
CALLS = """
S(1).draw(9)
S(3).draw(1)
S(5).draw(64, dtype=torch.float64)
S(1111).draw(300)
S(1111).fast_forward(123456).draw(20, dtype=torch.float64)
S(700, scramble=True, seed=7).draw(70)
S(40, True, 11).draw(33, dtype=torch.float64)
S(4).fast_forward(0).draw(3)
S(4).fast_forward(1).draw(3)
S(4).fast_forward(2**30 - 40).draw(30, dtype=torch.float64)
S(4).fast_forward(7).fast_forward(5).draw(3)
S(4, True, 2).fast_forward(7).reset().draw(3)
S(6).draw_base2(5)
torch.cat([one.draw_base2(m) for one in [S(2)] for m in (3, 3, 4)])
torch.cat([one.draw(n) for one in [S(9, True, 5)] for n in (1, 1, 2, 30, 7)])
S(3, True, 4).sobolstate
S(3, True, 4).shift
S(2).draw(3, out=torch.zeros(0))
torch.cat([torch.manual_seed(5) and S(3, scramble=True).draw(4), torch.rand(1, 3)])
[repr(S(2)), repr(S(2, True)), repr(S(2, True, 3))]
S(0)
S(2).draw(0)
S(2).draw(5, dtype=torch.float16)
S(2).draw(5, dtype=torch.int64)
S(2).fast_forward(3).draw_base2(2)
""".strip().splitlines()


def answer(torch: Any, call: str) -> Any:
    """Shape, type and a check of the bits; or a text, or the error's class and words."""
    try:
        y = eval(call, {"torch": torch, "S": torch.quasirandom.SobolEngine})
    except Exception as error:
        return [type(error).__name__, str(error).partition("[1, ")[0]]
    if isinstance(y, list):
        return y
    return [list(y.shape), str(y.dtype).rpartition(".")[2], zlib.crc32(y.numpy().tobytes())]


def primitive(polynomial: int, degree: int) -> bool:
    """Whether the powers of x, modulo the polynomial over two elements, are all residues but 0."""
    power, order = 2, 1
    while power != 1:
        power <<= 1
        if power >> degree & 1:
            power ^= polynomial
        if power in (0, 2):
            return False
        order += 1
    return order == 2**degree - 1


def packed(torch: Any) -> bytes:
    """The file of direction numbers, as `quasirandom._directions` reads it."""
    state = torch.zeros(21201, BITS, dtype=torch.int64)
    torch._sobol_engine_initialize_state_(state, 21201)
    first = state.numpy() >> np.arange(BITS - 1, -1, -1)
    bits: list[int] = []
    dimension = 1
    for degree in range(1, LARGEST_DEGREE + 1):
        candidates = range(2**degree + 1, 2 ** (degree + 1), 2)
        kinds = [one >> 1 for one in candidates if degree == 1 or primitive(one, degree)]
        bits += [len(kinds) >> k & 1 for k in range(15, -1, -1)]
        for kind in kinds:
            bits += [kind >> k & 1 for k in range(degree - 2, -1, -1)]
        rows = first[dimension : dimension + len(kinds)]
        for place in range(1, degree):
            for m in rows[:, place]:
                bits += [int(m) >> k & 1 for k in range(place, 0, -1)]
        dimension += len(kinds)
    return np.packbits(bits).tobytes()


if __name__ == "__main__":
    import torch

    NUMBERS.write_bytes(packed(torch))
    rows = [[call, answer(torch, call)] for call in CALLS]
    TARGET.write_text(json.dumps(rows).replace("]], [", "]],\n[") + "\n")
    print(f"{len(rows)} answers, {NUMBERS.stat().st_size} bytes of direction numbers")

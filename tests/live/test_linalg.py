"""Linear algebra, transforms, creation and draws beside torch itself, in single precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from tests.parity.creation_cases import CREATIONS, DRAWS, answer
from tests.parity.linalg_cases import cases, made

torch = pytest.importorskip("torch")
GOOD = [(code, specs) for code, specs in cases() if "lstsq" not in code and "rank" not in code]


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.filterwarnings("ignore")
def test_single_precision_stays_single(turn: int) -> None:
    for code, specs in GOOD[turn::8]:
        arrays = [made(spec, 7 + place) for place, spec in enumerate(specs)]
        arrays = [x.astype({"f": "f4", "c": "c8"}.get(x.dtype.kind, x.dtype)) for x in arrays]
        code = code.replace(".double()", "")
        answers = [worked_out(module, code, arrays) for module in (torch, rl)]
        assert len(answers[0]) == len(answers[1]), code
        for x, y in zip(*answers):
            assert str(x.dtype) == str(y.dtype) and x.shape == y.shape, code
            np.testing.assert_allclose(y, x, rtol=5e-3, atol=5e-3, err_msg=code)


def worked_out(module: Any, code: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The values of an expression; nothing where it is refused."""
    names = dict(zip("abc", (module.from_numpy(x.copy()) for x in arrays)))
    try:
        found = eval(code, {"torch": module, "L": module.linalg, "F": module.fft, **names})
    except (RuntimeError, ValueError, TypeError, IndexError):
        return []
    found = found if isinstance(found, tuple) else (found,)
    return [x.detach().resolve_conj().numpy() for x in found]


@pytest.mark.filterwarnings("ignore")
def test_creation_and_draws_still_answer_as_this_torch() -> None:
    wrong = [code for code in [*CREATIONS, *DRAWS] if answer(torch, code) != answer(rl, code)]
    assert not wrong

"""Samples of torch's own op database: recorded values and gradients, without torch."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from tests.parity.opdb_code import decode

DATA = Path(__file__).parent / "data"
ROWS = [row for part in ("first", "second")
        for row in json.loads((DATA / f"opdb_{part}.json").read_text())]  # fmt: skip


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and not isinstance(value, rl.Size):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def alike(found: Any, code: Any) -> None:
    wanted = decode(code, rl)
    if not isinstance(wanted, rl.Tensor):
        assert found == wanted or str(found) == str(wanted)
        return
    assert found.dtype is wanted.dtype
    assert found.shape == wanted.shape
    a, b = found.detach().numpy(), wanted.detach().numpy()
    scale = max([1.0, *np.abs(b[np.isfinite(b)])])
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7 * scale)


def cotangent(y: Any) -> Any:
    steps = np.arange(y.numel()).reshape(y.shape)
    numbers = np.cos(steps) + (1j * np.sin(2 * steps) if y.dtype.is_complex else 0)
    return rl.from_numpy(np.asarray(numbers)).to(y.dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_values_and_gradients(row: list[Any]) -> None:
    path, args, kwargs, outputs, slopes = row
    args, kwargs = decode(args, rl), decode(kwargs, rl)
    value = reduce(getattr, path.split("."), rl)(*args, **kwargs)
    found = leaves(value)
    assert len(found) == len(outputs)
    for one, code in zip(found, outputs):
        alike(one, code)
    if slopes is None:
        return
    tensors = [x for x in found if isinstance(x, rl.Tensor) and x.requires_grad]
    inputs = [x for x in leaves([args, kwargs]) if isinstance(x, rl.Tensor) and x.requires_grad]
    got = rl.autograd.grad(tensors, inputs, [cotangent(y) for y in tensors], allow_unused=True)
    for one, code in zip(got, slopes):
        if one is None or code is None:  # None and zeros say the same
            left = np.zeros(1) if one is None else one.numpy()
            assert not left.any() and not any((code or {"v": []})["v"])
        else:
            alike(one, code)


def test_enough_cases() -> None:
    assert len(ROWS) >= 850
    assert sum(row[4] is not None for row in ROWS) >= 500

"""The array API namespace against NumPy: values, shapes, types, and the standard's manners."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
from expressions import expressions, inputs

xp = rl.array_api


def same(mine: Any, theirs: Any) -> None:
    if isinstance(theirs, (tuple, list)) and not isinstance(theirs, rl.Size):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs):
            same(one, other)
    elif isinstance(mine, rl.Tensor):
        theirs = np.asarray(theirs)
        assert mine.shape == theirs.shape
        assert str(mine.dtype).removeprefix("torch.") == str(theirs.dtype)
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-6, atol=1e-9)
    else:
        assert type(mine) in (bool, int, float)
        assert np.isclose(mine, theirs)


@pytest.mark.parametrize("text", expressions())
def test_as_numpy(text: str) -> None:
    same(eval(text, inputs(xp)), eval(text, inputs(np)))


def test_the_namespace_of_a_tensor() -> None:
    x = rl.ones(2)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match="1999"):
        x.__array_namespace__(api_version="1999.01")
    assert x.to_device("cpu") is x
    assert x.device == rl.device("cpu")


def test_what_it_says_about_itself() -> None:
    info = xp.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"] is True
    assert info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] is xp.float32
    assert (
        info.dtypes(kind="integral").keys()
        == info.dtypes(kind=("signed integer", "unsigned integer")).keys()
    )
    assert info.dtypes()["complex128"] is xp.complex128
    assert xp.__array_api_version__ == "2024.12"


def test_gradients_flow_through_it() -> None:
    x = rl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    xp.sum(xp.square(xp.roll(x, 1)) * xp.asarray([1.0, 2.0, 3.0])).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4.0, 12.0, 6.0]


def test_a_scalar_array_promotes_as_any_other() -> None:
    narrow, wide = xp.ones(3, dtype=xp.float32), xp.asarray(1.0, dtype=xp.float64)
    assert xp.add(narrow, wide).dtype is xp.float64
    assert xp.result_type(narrow, wide) is xp.float64
    assert xp.result_type(xp.int8, 1) is xp.int8
    assert xp.result_type(xp.float32, 1.0, 2) is xp.float32


@pytest.mark.parametrize(
    "text",
    [
        "xp.squeeze(A, axis=0)", "xp.expand_dims(A, axis=5)", "xp.take(A, N[0, :1])",
        "xp.sum(A, axis=4)", "xp.reshape(A, (5, 5))", "xp.isdtype(A.dtype, 'odd')",
        "xp.nonzero(A[0, 0])", "xp.cumulative_sum(A)", "xp.asarray([1], copy=False)",
        "xp.asarray(A, dtype=xp.float32, copy=False)",
    ],
)  # fmt: skip
def test_mistakes_raise(text: str) -> None:
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        eval(text, inputs(xp))


def test_descending_sorts_are_stable() -> None:
    x = xp.asarray([[1, 3, 2], [2, 2, 1]])
    assert xp.sort(x, descending=True).tolist() == [[3, 2, 1], [2, 2, 1]]
    assert xp.argsort(x, descending=True).tolist() == [[1, 2, 0], [0, 1, 2]]
    assert xp.sort(x, axis=0, descending=True).tolist() == [[2, 3, 2], [1, 2, 1]]


def test_copies() -> None:
    x = xp.ones(3)
    assert xp.asarray(x) is x
    assert xp.asarray(x, copy=True) is not x
    assert xp.astype(x, xp.float32, copy=False) is x
    source = np.arange(3.0)
    shared = xp.asarray(source, copy=False)
    source[0] = 7
    assert shared[0] == 7

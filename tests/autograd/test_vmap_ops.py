"""`vmap` of every op equals a loop over the samples: values, gradients and forward derivatives."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.dispatch import apply
from rushlight.core.primitive import Primitive
from rushlight.core.tensor import wrap

sys.path.insert(0, str(Path(__file__).parent))
from op_samples import CASES, SMOOTH, Sample, direction, is_float, scalar_of

# outputs before what the op keeps for its own gradient
RESULTS = {"cross_entropy": 1, "recurrent_layer": 2, "lstm_layer": 3}


def places_of(sample: Sample) -> list[int]:
    """Which operands are arrays."""
    return [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)]


def varied(x: np.ndarray, i: int, smooth: bool) -> np.ndarray:
    """The operand of sample i: moved a little where the op is smooth."""
    if i and smooth and is_float(x):
        return x + 1e-3 * np.random.default_rng(i).uniform(-1, 1, x.shape)
    return x.copy()


def compare(function: Callable[..., Any], sample: Sample, size: int, batched: list[int]) -> None:
    """vmap(function) over the `batched` operands against a loop."""
    places = places_of(sample)
    rows = [
        [wrap(varied(sample.inputs[p], i, sample.smooth)) if p in batched
         else wrap(sample.inputs[p].copy()) for p in places]
        for i in range(size or 1)
    ]  # fmt: skip
    wanted = [function(*row) for row in rows]
    columns = [
        rl.stack(column)[:size] if p in batched else column[0]
        for p, column in zip(places, zip(*rows))
    ]
    dims = tuple(0 if p in batched else None for p in places)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # ops that run sample by sample say so
        found = rl.vmap(function, in_dims=dims)(*columns)
    for place, one in enumerate(found):
        expected = np.stack([row[place]._array for row in wanted])[:size]
        assert one._array.dtype == expected.dtype
        np.testing.assert_allclose(one._array, expected, rtol=1e-7, atol=1e-9)


def variants(sample: Sample) -> list[tuple[int, list[int]]]:
    """(batch size, batched operands): all of them for 0, 1, 3 samples, then each alone."""
    places = places_of(sample)
    alone = [(3, [p]) for p in places] if len(places) > 1 else []
    return [(size, places) for size in (0, 1, 3)] + alone if places else []


@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_batched_ops_give_what_a_loop_gives(prim: Primitive, sample: Sample) -> None:
    places = places_of(sample)

    def function(*xs: Any) -> tuple[rl.Tensor, ...]:
        full = list(sample.inputs)
        for place, x in zip(places, xs):
            full[place] = x
        found = apply(prim, tuple(full), sample.params)
        if not isinstance(found, tuple):
            return (found,)
        return found[: RESULTS.get(prim.name)]

    for size, batched in variants(sample):
        compare(function, sample, size, batched)


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_gradients_and_tangents(prim: Primitive, sample: Sample) -> None:
    """vmap(grad(f)) and vmap(jvp(f)), with float operands batched alike or one by one."""
    places = [p for p in places_of(sample) if is_float(sample.inputs[p])]
    scalar = scalar_of(prim, sample)
    ts = tuple(wrap(direction(sample.inputs[p].shape, p)) for p in places)

    def function(*xs: Any) -> tuple[rl.Tensor, ...]:
        given = tuple(x for x, p in zip(xs, places_of(sample)) if p in places)
        slopes = rl.func.grad(scalar, tuple(range(len(given))))(*given)
        return (*slopes, rl.func.jvp(scalar, given, ts)[1])

    for size, batched in variants(sample):
        if all(p in places for p in batched) or size != 3:
            compare(function, sample, size, batched)


def test_recurrent_layers_and_ctc_run_once_for_the_whole_batch() -> None:
    x = rl.randn(4, 5, 2, 3)
    rnns = (rl.nn.LSTM(3, 4), rl.nn.GRU(3, 4), rl.nn.LSTM(3, 4, bidirectional=True, proj_size=2))
    labels, times, lengths = rl.tensor([[1, 2], [2, 1]]), rl.tensor([5, 4]), rl.tensor([2, 1])

    def loss(x: Any) -> Any:
        return rl.nn.functional.ctc_loss(x.log_softmax(-1), labels, times, lengths)

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # what the loop over samples says
        for rnn in rnns:
            y, ends = rl.vmap(lambda x, rnn=rnn: rnn(x))(x)
            for i in range(4):
                one, one_ends = rnn(x[i])
                rl.testing.assert_close(y[i], one)
                for a, b in zip(
                    rl.utils._pytree.tree_leaves(ends), rl.utils._pytree.tree_leaves(one_ends)
                ):
                    rl.testing.assert_close(a[i], b)
        slopes = rl.vmap(rl.func.grad(loss))(x)
    for i in range(4):
        rl.testing.assert_close(slopes[i], rl.func.grad(loss)(x[i]))


def test_factors_and_info_of_each_sample() -> None:
    a = rl.tensor([[[1.0, 2], [3, 4]], [[1, 2], [2, 4]], [[0, 1], [1, 0]]])
    factors = rl.vmap(rl.linalg.lu_factor_ex)(a)
    for i, one in enumerate(a):
        alone = rl.linalg.lu_factor_ex(one)
        assert all(rl.equal(x[i], y) for x, y in zip(factors, alone))
    assert factors.info.tolist() == [0, 2, 0]
    with pytest.raises(RuntimeError, match=r"\(Batch element 1\): U\[2,2\] is zero"):
        rl.vmap(rl.linalg.lu_factor)(a)

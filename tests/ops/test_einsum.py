"""einsum against NumPy's own on random equations, in value and in gradient."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl


def equation(rng: np.random.Generator) -> tuple[str, list[np.ndarray]]:
    """One to three operands with up to three of four labels, repeats allowed, in any order."""
    sizes = {label: int(rng.integers(1, 4)) for label in "abcd"}
    inputs = ["".join(rng.choice([*"abcd"], rng.integers(0, 4))) for _ in range(rng.integers(1, 4))]
    known = sorted(set("".join(inputs)))
    output = "".join(rng.permutation([label for label in known if rng.random() < 0.5]))
    operands = [np.asarray(rng.standard_normal([sizes[n] for n in names])) for names in inputs]
    return f"{','.join(inputs)}->{output}", operands


@pytest.mark.parametrize("seed", range(120))
def test_random_equations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    code, operands = equation(rng)
    tensors = [rl.from_numpy(x.copy()).requires_grad_() for x in operands]
    found = rl.einsum(code, *tensors)
    expected = np.einsum(code, *operands)
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-12)
    weights = rng.standard_normal(expected.shape)
    grads = rl.autograd.grad((found * rl.from_numpy(np.asarray(weights))).sum(), tensors)
    for place, grad in enumerate(grads):  # linear in each operand: a difference is exact
        moved = [*operands]
        step = rng.standard_normal(operands[place].shape)
        moved[place] = step
        slope = float((np.einsum(code, *moved) * weights).sum())
        np.testing.assert_allclose(float((grad.numpy() * step).sum()), slope, atol=1e-10)


REPEATED = "subscript a is repeated for operand 0 but the sizes don't match, {} != {}"


@pytest.mark.parametrize(
    ("code", "shapes", "said"),
    [
        ("aa->a", [(2, 1)], REPEATED.format(1, 2)),
        ("aaa", [(1, 2, 2)], REPEATED.format(2, 1)),
        ("aa,ab", [(2, 1), (3, 2)], REPEATED.format(1, 2)),
        (
            "ab,aa->b",
            [(2, 3), (3, 2)],
            "subscript a has size 3 for operand 1 which does not broadcast with previously seen"
            " size 2",
        ),
    ],
)
def test_a_diagonal_is_of_equal_sizes(code: str, shapes: list[tuple[int, ...]], said: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        rl.einsum(code, *map(rl.zeros, shapes))
    assert str(caught.value).splitlines()[0] == f"einsum(): {said}"

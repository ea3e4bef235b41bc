"""torch._foreach_*: each list operation is its plain one, tensor by tensor; torch 2.13's errors."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.functions import foreach

INPUTS = [torch.tensor([0.25, 0.5]), torch.tensor([[0.75], [0.125], [1.0]])]
OTHERS = [torch.tensor([0.5, 2.0]), torch.tensor([[1.5], [0.25], [3.0]])]


def _copies() -> list[torch.Tensor]:
    return [one.clone() for one in INPUTS]


def _same(found: object, wanted: list[torch.Tensor]) -> bool:
    assert isinstance(found, (list, tuple)) and len(found) == len(wanted)
    return all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_the_package_offers_all_of_them() -> None:
    listed = {name for name in dir(torch) if name.startswith("_foreach_")}
    assert listed == set(foreach.NAMES) and len(listed) == 91


@pytest.mark.parametrize("name", foreach.UNARY)
def test_functions_of_one(name: str) -> None:
    wanted = [getattr(torch, name)(one) for one in INPUTS]
    assert _same(getattr(torch, f"_foreach_{name}")(INPUTS), wanted)
    changed = _copies()
    result = getattr(torch, f"_foreach_{name}_")(changed)
    assert _same(changed, wanted) and result[0] is changed[0]


@pytest.mark.parametrize("name", [name for name in foreach.BINARY if name != "mm"])
@pytest.mark.parametrize("other", [OTHERS, [0.5, 0.75], 0.5])
def test_functions_of_two(name: str, other: object) -> None:
    parts = other if isinstance(other, list) else [other] * 2
    plain = getattr(torch, name)
    wanted = [plain(a, torch.as_tensor(b)) for a, b in zip(INPUTS, parts, strict=True)]
    assert _same(getattr(torch, f"_foreach_{name}")(INPUTS, other), wanted)
    changed = _copies()
    getattr(torch, f"_foreach_{name}_")(changed, other)
    assert _same(changed, wanted)


def test_functions_of_several_lists() -> None:
    ones = [torch.ones_like(one) for one in INPUTS]
    assert _same(
        torch._foreach_add(INPUTS, OTHERS, alpha=2), [a + 2 * b for a, b in zip(INPUTS, OTHERS)]
    )
    assert _same(torch._foreach_pow(2.0, INPUTS), [2.0**one for one in INPUTS])
    for scalars in ([2.0, 3.0], torch.tensor([2.0, 3.0])):
        found = torch._foreach_addcmul(INPUTS, OTHERS, OTHERS, scalars)
        assert _same(found, [a + k * (b * b) for a, b, k in zip(INPUTS, OTHERS, (2.0, 3.0))])
    assert _same(
        torch._foreach_addcdiv(INPUTS, ones, OTHERS, 3),
        [torch.addcdiv(a, o, b, value=3) for a, o, b in zip(INPUTS, ones, OTHERS)],
    )
    assert _same(
        torch._foreach_lerp(INPUTS, OTHERS, 0.25),
        [torch.lerp(a, b, 0.25) for a, b in zip(INPUTS, OTHERS)],
    )
    assert _same(torch._foreach_norm(INPUTS, 1), [one.norm(1) for one in INPUTS])
    assert _same(torch._foreach_norm(INPUTS, ord=1), [one.norm(1) for one in INPUTS])
    wide = torch._foreach_norm(INPUTS, dtype=torch.float64)
    assert _same(wide, [one.double().norm() for one in INPUTS])
    assert _same(torch._foreach_mul(INPUTS, scalar=2), [one * 2 for one in INPUTS])
    assert _same(torch._foreach_mul(INPUTS, tensor=torch.tensor(2.0)), [one * 2 for one in INPUTS])
    assert _same(torch._foreach_pow(2.0, exponent=INPUTS), [2.0**one for one in INPUTS])
    assert _same(torch._foreach_max(INPUTS), [one.max() for one in INPUTS])
    assert _same(torch._foreach_powsum(OTHERS, 2), [(one**2).sum() for one in OTHERS])
    changed = _copies()
    assert _same(torch._foreach_copy_(changed, OTHERS), OTHERS) and _same(changed, OTHERS)
    assert _same(torch._foreach_zero_(changed), [one * 0 for one in INPUTS])


def test_lists_that_do_not_fit_are_refused() -> None:
    for named in ({}, {"scalar": 1, "scalars": [1, 2]}, {"factor": 2}):
        with pytest.raises(TypeError, match=r"^_foreach_add\(\) received an invalid combination"):
            torch._foreach_add(INPUTS, **named)
    with pytest.raises(RuntimeError, match=r"^Tensor list must have at least one tensor\.$"):
        torch._foreach_abs([])
    with pytest.raises(RuntimeError, match=r"same number of tensors, got 2 and 1$"):
        torch._foreach_mul(INPUTS, OTHERS[:1])
    with pytest.raises(RuntimeError, match=r"^scalar tensor expected to be 0 dim but it has 1 dim"):
        torch._foreach_mul(INPUTS, torch.ones(2))


def test_gradients_go_through() -> None:
    x = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)]
    sum(one.sum() for one in torch._foreach_mul(x, x)).backward()
    assert [one.grad.tolist() for one in x] == [[2.0, 4.0], [6.0]]

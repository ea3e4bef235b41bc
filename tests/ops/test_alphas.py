"""Numbers that scale an operand, where both operands are alike and where they are not."""

import pytest

import rushlight as rl

KINDS = [rl.float32, rl.float64, rl.float16, rl.bfloat16, rl.int64, rl.bool]


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("alpha", [2, 1, 0])
def test_a_sum_with_alpha_is_the_sum_of_the_multiple(first, second, alpha):
    a, b = rl.tensor([1, 0, 1]).to(first), rl.tensor([1, 1, 0]).to(second)
    assert rl.add(a, b, alpha=alpha).dtype is rl.result_type(a, b)
    wide = a.double() + alpha * b.double()
    assert rl.equal(rl.add(a, b, alpha=alpha).double(), wide.to(rl.result_type(a, b)).double())


@pytest.mark.parametrize("kind", [rl.float32, rl.float64])
def test_what_alpha_may_not_be_is_refused_beside_alike_operands(kind):
    x = rl.ones(3, dtype=kind)
    with pytest.raises(RuntimeError, match="Boolean alpha only supported for Boolean results"):
        rl.add(x, x, alpha=True)
    with pytest.raises(RuntimeError, match="must not be a complex number"):
        rl.add(x, x, alpha=1j)
    if kind is rl.float32:
        with pytest.raises(RuntimeError, match="overflow"):
            rl.sub(x, x, alpha=1e300)
    assert rl.add(x, x, alpha=rl.tensor(2.0)).dtype is kind


def test_lerp_of_alike_and_of_other_operands():
    a, b = rl.tensor([0.0, 1.0]), rl.tensor([10.0, 3.0])
    assert rl.lerp(a, b, 0.25).tolist() == rl.lerp(a, b, rl.tensor(0.25)).tolist() == [2.5, 1.5]
    assert rl.lerp(a, b, 0.75).tolist() == [7.5, 2.5]
    with pytest.raises(RuntimeError, match="for `end` but got dtype double"):
        rl.lerp(a, b.double(), 0.25)
    with pytest.raises(NotImplementedError):
        rl.lerp(a.long(), b.long(), 0.25)
    with pytest.raises(RuntimeError, match="Integer division with addcdiv"):
        rl.addcdiv(a, b.long(), b.long())

"""Where a plain number may stand for an operand: what declarations say, and torch's words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rushlight as rl
from rushlight.core.primitive import REGISTRY

OPS = {prim.name: prim for prim in REGISTRY.values() if prim.numbers}


def operand(name: str) -> rl.Tensor:
    return rl.tensor([[2, 3], [4, 5]], dtype=rl.int64 if name in ("gcd", "lcm") else rl.float32)


def told(call) -> str:
    with pytest.raises(TypeError) as caught:
        call()
    return str(caught.value)


def test_declarations_say_it_in_four_words() -> None:
    kinds = {prim.numbers.partition(": ")[0] for prim in REGISTRY.values()}
    assert kinds == {"", "all", "second", "none"}


@pytest.mark.parametrize("name", [one for one in OPS if OPS[one].numbers.startswith("none")])
def test_ops_of_tensors_take_no_numbers(name: str) -> None:
    x, (_, _, second) = operand(name), OPS[name].numbers.partition(": ")
    op, method = getattr(rl, name), getattr(x, name)
    second = second or "other"
    expected = f"argument '{second}' (position 2) must be Tensor, not "
    assert expected + "float" in told(lambda: op(x, 2.0))
    assert expected + "int" in told(lambda: op(x, 2))
    assert expected.replace("2", "1") + "float" in told(lambda: method(2.0))
    assert "argument 'input' (position 1) must be Tensor, not float" in told(lambda: op(2.0, x))
    assert op(x, x).shape in (x.shape, ())


@pytest.mark.parametrize("name", [one for one in OPS if OPS[one].numbers == "second"])
def test_ops_of_a_tensor_and_a_number(name: str) -> None:
    x, op = operand(name), getattr(rl, name)
    assert rl.equal(op(x, 2.0), op(x, rl.tensor(2.0)))
    assert f"{name}() received an invalid combination" in told(lambda: op(2.0, x))


@pytest.mark.parametrize("name", [one for one in OPS if OPS[one].numbers == "all"])
def test_arithmetic_takes_numbers_alone(name: str) -> None:
    op = getattr(rl, name)
    assert op(7.0, 2.0).item() == op(rl.tensor(7.0), rl.tensor(2.0)).item()


def test_values_that_are_refused_before_types_meet() -> None:
    one, truth, whole = rl.ones(1), rl.tensor([True]), rl.tensor([2])
    for call in (lambda: one - truth, lambda: one - True, lambda: 1.0 - truth):
        with pytest.raises(RuntimeError, match="with a bool tensor is not supported"):
            call()
    for call in (lambda: truth - truth, lambda: truth - True, lambda: rl.dist(truth, truth)):
        with pytest.raises(RuntimeError, match="with two bool tensors is not supported"):
            call()
    with pytest.raises(RuntimeError, match="Integers to negative integer powers"):
        whole**-1  # pyright: ignore[reportUnusedExpression]  # it raises
    assert (whole ** rl.tensor([-1])).item() == 0
    assert (one**-1).item() == 1 and (whole**3).item() == 8


def test_the_mechanism_names_no_op() -> None:
    """What an op takes stands in its declaration, not in a list of names."""
    core = Path(rl.__file__).parent / "core"
    names = re.compile(rf"""["']({"|".join(sorted(OPS))})["']""")
    for file in ("operands", "dispatch", "calls", "meta", "tape", "families"):
        assert not names.findall((core / f"{file}.py").read_text()), file


def test_what_torch_refuses_of_types_and_modes() -> None:
    with pytest.raises(NotImplementedError) as caught:
        rl.logaddexp2(rl.tensor([1j]), rl.tensor([1.0]))
    assert str(caught.value) == "\"logaddexp2_cpu\" not implemented for 'ComplexFloat'"
    bags, table = rl.tensor([[0, 1]]), rl.eye(2)
    with pytest.raises(ValueError, match="max mode does not support scaling the gradient by"):
        rl.nn.functional.embedding_bag(bags, table, mode="max", scale_grad_by_freq=True)

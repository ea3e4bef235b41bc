"""torch.library.opcheck: which checks which operator fails, and in which words, as torch 2.13."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import rushlight as rl
from rushlight.library import Library, custom_op, opcheck
from rushlight.testing.op_check import OpCheckError

Tensor = rl.Tensor
ALL = ["test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"]
ONE = rl.ones(3)


def trained() -> Any:
    return rl.ones(3, requires_grad=True)


@pytest.fixture(scope="module")
def ops() -> Iterator[dict[str, Any]]:
    def good(x: Tensor, k: float) -> Tensor:
        return x * k

    def writes(x: Tensor) -> Tensor:
        x.add_(1)
        return x * 2

    def declared(x: Tensor) -> None:
        x.add_(1)

    def twice(x: Tensor) -> Tensor:
        return x * 2

    def alias(x: Tensor) -> Tensor:
        return x

    found = {"good": custom_op("opcheck::good", good, mutates_args=())}
    found["good"].register_fake(lambda x, k: rl.empty_like(x))
    found["good"].register_autograd(
        lambda ctx, g: (g * ctx.k, None),
        setup_context=lambda ctx, inputs, output: setattr(ctx, "k", inputs[1]),
    )
    for name, function, mutated, fake in (
        ("no_fake", twice, (), None), ("bad_fake", twice, (), lambda x: x.new_empty((7,))),
        ("bad_type", twice, (), lambda x: rl.empty_like(x, dtype=rl.float64)),
        ("bad_layout", twice, (), lambda x: rl.empty(6, device="meta")[::2]),
        ("writes", writes, (), rl.empty_like), ("alias", alias, (), None),
        ("declared", declared, ("x",), lambda x: None), ("no_grad", twice, (), rl.empty_like),
    ):  # fmt: skip
        found[name] = custom_op(f"opcheck::{name}", function, mutates_args=mutated)
        if fake is not None:
            found[name].register_fake(fake)
    yield found


@pytest.mark.parametrize("name, args, failing, text", [
    ("good", (ONE, 2.0), [], ""), ("good", (trained(), 2.0), [], ""),
    ("no_fake", (ONE,), ["test_faketensor"], "There was no fake impl registered for <CustomOpDef"),
    ("bad_fake", (ONE,), ["test_faketensor"],
     "When comparing the output of opcheck.bad_fake.default on FakeTensor and concrete Tensors,"
     " found mismatched tensor metadata: Shapes torch.Size([3]) and torch.Size([7]) are not eq"),
    ("bad_type", (ONE,), ["test_faketensor"], "Dtypes torch.float32 and torch.float64 are not"),
    ("bad_layout", (ONE,), ["test_faketensor"], "Strides (1,) and (2,) are not equal"),
    ("writes", (ONE,), ["test_schema"], "Argument x is not defined as mutable but was mutated"),
    ("alias", (ONE,), ["test_schema", "test_faketensor", "test_aot_dispatch_dynamic"],
     "The output of this custom operator (1) must not also be an input"),
    ("declared", (ONE,), [], ""),
    ("no_grad", (trained(),), ["test_aot_dispatch_dynamic"],
     "Trying to backward through opcheck.no_grad.default but no autograd formula was registered"),
])  # fmt: skip
def test_what_fails(ops: Any, name: str, args: Any, failing: list[str], text: str) -> None:
    found = opcheck(ops[name], args, raise_exception=False)
    assert list(found) == ALL
    assert [one for one in ALL if found[one] != "SUCCESS"] == failing
    assert not failing or text in str(found[failing[0]])


def test_a_function_inside_has_a_gradient_of_its_own() -> None:
    class Twice(rl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    library = Library("opcheck_inside", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: Twice.apply(x), "CPU")
    library.define("plain(Tensor x) -> Tensor")
    library.impl("plain", lambda x: x * 2, "CPU")
    check = {"test_utils": "test_autograd_registration"}
    with pytest.raises(OpCheckError, match="does not have an autograd kernel defined"):
        opcheck(rl.ops.opcheck_inside.twice, (trained(),), **check)
    assert opcheck(rl.ops.opcheck_inside.plain.default, (trained(),), **check) == {
        "test_autograd_registration": "SUCCESS"
    }


def test_arguments(ops: Any) -> None:
    with pytest.raises(OpCheckError, match=r"opcheck\(op, ...\): test_faketensor failed with When"):
        opcheck(ops["bad_fake"], (ONE,))
    with pytest.raises(ValueError, match="expected test_utils to be subset of"):
        opcheck(ops["good"], (ONE, 2.0), test_utils="test_nonsense")
    with pytest.raises(ValueError, match="op must be instance of"):
        opcheck(3, (ONE,))
    for op in (rl.ops.opcheck.good, rl.ops.opcheck.good.default):
        assert opcheck(op, (ONE, 2.0), test_utils=("test_schema",)) == {"test_schema": "SUCCESS"}

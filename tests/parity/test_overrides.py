"""Handlers are asked for the functions that torch asks them for, with the arguments given."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
RECORDED = json.loads((HERE / "data" / "overrides.json").read_text())
F = torch.nn.functional


@functools.cache
def _ours() -> dict[str, Any]:
    """In a process of its own: from the first handler on, all public functions ask."""
    code = (
        "import json, rushlight, overrides_cases as c; print(json.dumps(c.answers(rushlight)))"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(HERE.parent.parent)},
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.parametrize("call", RECORDED)
def test_what_a_handler_is_told(call: str) -> None:
    assert _ours()[call] == RECORDED[call]


FIRST = """
import rushlight as torch
class Duck:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func is {name}
print({call})
"""


@pytest.mark.parametrize("name, call", [
    ("torch.mean", "torch.mean(Duck())"), ("torch.std", "torch.std(Duck(), 0)"),
    ("torch.nn.functional.relu", "torch.nn.functional.relu(Duck())"),
    ("torch.Tensor.add", "torch.ones(2) + Duck()"), ("torch.mul", "torch.mul(Duck(), 2)"),
    ("torch.Tensor.__rsub__", "torch.Tensor.__rsub__(torch.ones(2), Duck())"),
    ("torch.ones_like", "torch.ones_like(input=Duck())"),
])  # fmt: skip
def test_the_first_call_of_a_process(name: str, call: str) -> None:
    code = FIRST.format(name=name, call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_functions_and_methods_are_objects_of_their_own() -> None:
    assert torch.add is not torch.Tensor.add
    assert torch.relu is not F.relu
    assert torch.functional.einsum is torch.einsum
    listed = torch.overrides.get_overridable_functions()
    assert torch.matmul in listed[torch]
    assert torch.Tensor.matmul in listed[torch.Tensor]
    assert torch.is_tensor in torch.overrides.get_ignored_functions()
    assert torch.overrides.resolve_name(torch.linalg.svd) == "torch.linalg.svd"
    assert torch.overrides.is_tensor_method_or_property(torch.Tensor.add)
    assert not torch.overrides.is_tensor_method_or_property(torch.add)


def test_modes_nest_and_leave_nothing_behind() -> None:
    seen: list[str] = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            seen.append(f"{self.name} {func.__name__}")
            return func(*args, **(kwargs or {}))

    code, shape = torch.add.__code__, torch.Tensor.__dict__["shape"]
    with Mode("outer"), Mode("inner"):
        assert torch.add(torch.ones(2), 1).tolist() == [2.0, 2.0]
        with torch._C.DisableTorchFunction():
            torch.ones(1)
    assert seen == [
        "inner ones", "outer ones", "inner add", "outer add", "inner tolist", "outer tolist"
    ]  # fmt: skip
    assert torch.add.__code__ is code
    assert torch.Tensor.__dict__["shape"] is shape
    with pytest.raises(ZeroDivisionError), Mode("gone"):
        raise ZeroDivisionError
    assert torch.overrides._get_current_function_mode() is None


def test_a_subclass_that_wraps_and_logs() -> None:
    class Metadata:
        def __init__(self, data: Any, about: str) -> None:
            self.data, self.about = torch.as_tensor(data), about

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            plain = [one.data if isinstance(one, cls) else one for one in args]
            about = " ".join(one.about for one in args if isinstance(one, cls))
            return cls(func(*plain, **(kwargs or {})), about)

    result = torch.add(torch.tensor([[1, 2], [3, 4]]), Metadata([[1], [2]], "mine"))
    assert (result.data.tolist(), result.about) == ([[2, 3], [5, 6]], "mine")
    assert torch.cat  # a list of them is looked into
    with pytest.raises(TypeError, match="no implementation found"):
        torch.overrides.handle_torch_function(len, (Declines(),), 1)


class Declines:
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return NotImplemented


def test_gates_do_not_change_results_or_gradients() -> None:
    class Quiet(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            return super().__torch_function__(func, types, args, kwargs)

    plain = torch.tensor([0.5, 1.5], requires_grad=True)
    marked = torch.tensor([0.5, 1.5]).as_subclass(Quiet).requires_grad_()
    for x in (plain, marked):
        y = F.softplus(x * 2 - x[0]) @ torch.linalg.inv(torch.eye(2)) + torch.exp(x) / x.shape[0]
        (y.sum() + (1 - x).pow(2).mean()).backward()
    assert type(marked.exp()) is Quiet
    assert torch.equal(plain.grad, marked.grad)

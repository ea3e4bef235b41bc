"""Every registration of a hook gives the same kind of handle; marked hooks are left silently."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import pytest

import rushlight as rl
from rushlight.utils.hooks import RemovableHandle, unserializable_hook, warn_if_has_hooks


def test_every_hook_gives_a_removable_handle() -> None:
    x = rl.ones(2, requires_grad=True)
    y = x * 2
    net = rl.nn.Linear(2, 2)
    step = rl.optim.SGD([x], lr=0.1)
    handles = [
        x.register_hook(print), x.register_post_accumulate_grad_hook(print),
        y.grad_fn.register_hook(print), net.register_forward_hook(print),
        net.register_full_backward_hook(print), step.register_step_post_hook(print),
        rl.autograd.graph.register_multi_grad_hook([x, y], print),
    ]  # fmt: skip
    assert all(isinstance(handle, RemovableHandle) for handle in handles[:-1])
    assert len({handle.id for handle in handles[:-1]}) == len(handles) - 1
    for handle in handles:
        handle.remove()
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]


def test_a_handle_of_ones_own_table() -> None:
    table: OrderedDict[int, str] = OrderedDict()
    marks: dict[int, bool] = {}
    with RemovableHandle(table, extra_dict=marks) as handle:
        table[handle.id], marks[handle.id] = "hook", True
    assert not table and not marks


def test_a_hook_that_gets_lost_is_warned_of_unless_it_is_marked() -> None:
    x = rl.ones(2, requires_grad=True)
    x.register_hook(lambda grad: grad)
    with pytest.warns(UserWarning, match="will not be serialized"):
        warn_if_has_hooks(x)
    z = rl.ones(2, requires_grad=True)
    z.register_hook(unserializable_hook(lambda grad: grad))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_has_hooks(z)


@pytest.mark.parametrize("leaf", [True, False])
def test_hooks_of_one_tensor_see_the_same_gradient(leaf: bool) -> None:
    x = rl.ones(2, requires_grad=True)
    y = x if leaf else x * 2
    seen: list = []

    def change(grad: rl.Tensor) -> rl.Tensor:
        grad.mark = "seen"
        return grad * 3

    y.register_hook(seen.append)
    y.register_hook(change)
    y.register_hook(seen.append)
    y.sum().backward()
    assert seen[0].mark == "seen" and not hasattr(seen[1], "mark")
    assert x.grad is not None and x.grad.tolist() == [3.0 if leaf else 6.0] * 2

"""Parameters in parts, whole for a while: to look at them, or to write them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from .param_group import Group


@contextlib.contextmanager
def summoned(groups: list[Group], writeback: bool, with_grads: bool) -> Iterator[None]:
    """A block in which the parameters of groups are whole; what is written can be kept."""
    before = [group.is_whole for group in groups]
    for group in groups:
        group.unshard()
        if with_grads:
            _show_gradients(group)
    try:
        yield
    finally:
        for group, was_whole in zip(groups, before):
            for one in group.held:
                if writeback:
                    one.write_back()
                if with_grads:
                    _keep_gradient(one, writeback)
            if not was_whole:
                group.reshard()


def _show_gradients(group: Group) -> None:
    for one in group.held:
        if one.part.grad is not None:
            one.whole.grad = one.part.grad.full_tensor()


def _keep_gradient(one: Any, writeback: bool) -> None:
    gradient, one.whole.grad = one.whole.grad, None
    if writeback and gradient is not None and one.part.grad is not None:
        with rl.no_grad():
            one.part.grad.copy_(one.laid_like(gradient))

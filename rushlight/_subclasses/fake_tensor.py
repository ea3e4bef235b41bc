"""Fake tensors: there are none. Tensors without values are those of the meta device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing


def is_fake(x: Any) -> bool:
    """False, of anything."""
    return False


class FakeTensor(rl.Tensor):
    """The class that torch's tensors without values have; no tensor here is of it."""


@contextlib.contextmanager
def unset_fake_temporarily() -> Iterator[None]:
    """A block outside any mode of tensors without values: all blocks are."""
    yield None


_explain_missing(__name__)

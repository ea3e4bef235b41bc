"""What prints tensors, under the names that some libraries take from torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .core import printing
from .core.tensor import Tensor


class _Options:
    """The print options in force, as attributes that may be set."""

    def __getattr__(self, name: str) -> Any:
        try:
            return printing.get_printoptions()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        printing.set_printoptions(**{**printing.get_printoptions(), name: value})

    def __repr__(self) -> str:
        return repr(printing.get_printoptions())


PRINT_OPTS = _Options()


def _tensor_str(self: Tensor, indent: int) -> str:
    """The bracketed values of a tensor, for a first bracket in that column."""
    return printing.format_values(self._array, indent)


@contextlib.contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """Within the block tensors print by other options, those of `set_printoptions`.

    >>> import rushlight as torch
    >>> with printoptions(precision=2):
    ...     print(torch.tensor([1.2345]))
    tensor([1.23])
    """
    before = printing.get_printoptions()
    printing.set_printoptions(**kwargs)
    try:
        yield
    finally:
        printing.set_printoptions(**before)

"""torch's context for making masks with `vmap` over indices, which indexing here can do without."""

from __future__ import annotations


class TransformGetItemToIndex:
    """A block in which `x[i]` may take a place that `vmap` moves over, as it may everywhere here.

    >>> import rushlight as torch
    >>> x = torch.tensor([3, 1, 2])
    >>> with TransformGetItemToIndex():
    ...     torch.vmap(lambda i: x[i])(torch.tensor([2, 0]))
    tensor([2, 3])
    """

    def __enter__(self) -> None:
        """Nothing to switch on."""

    def __exit__(self, *error: object) -> None:
        """Nothing to switch off."""

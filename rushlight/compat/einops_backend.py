"""rushlight's tensors in einops, which looks a backend up by the type of what it is given."""

from __future__ import annotations

from typing import Any

import rushlight as rl

REDUCTIONS = {"min": rl.amin, "max": rl.amax, "sum": rl.sum, "mean": rl.mean, "prod": None,
              "any": None, "all": None}  # fmt: skip
REGISTERED: list[type] = []


def _reduced(x: Any, operation: str, axes: Any) -> Any:
    whole = REDUCTIONS[operation]
    if whole is not None:
        return whole(x, tuple(axes))
    for axis in sorted(axes, reverse=True):
        x = getattr(rl, operation)(x, axis)
    return x


class Operations:
    """The operations that einops composes."""

    framework_name = "rushlight"

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, rl.Tensor)

    def from_numpy(self, x: Any) -> Any:
        return rl.from_numpy(x)

    def to_numpy(self, x: Any) -> Any:
        return x.detach().numpy()

    def arange(self, start: int, stop: int) -> Any:
        return rl.arange(start, stop, dtype=rl.int64)

    def reduce(self, x: Any, operation: str, axes: Any) -> Any:
        return _reduced(x, operation, axes)

    def transpose(self, x: Any, axes: Any) -> Any:
        return x.permute(axes)

    def stack_on_zeroth_dimension(self, tensors: list[Any]) -> Any:
        return rl.stack(tensors)

    def add_axis(self, x: Any, new_position: int) -> Any:
        return rl.unsqueeze(x, new_position)

    def add_axes(self, x: Any, n_axes: int, pos2len: dict[int, int]) -> Any:
        sizes = [-1] * n_axes
        for place, size in pos2len.items():
            x, sizes[place] = self.add_axis(x, place), size
        return x.expand(sizes)

    def tile(self, x: Any, repeats: Any) -> Any:
        return x.repeat(repeats)

    def concat(self, tensors: Any, axis: int) -> Any:
        return rl.cat(tuple(tensors), dim=axis)

    def is_float_type(self, x: Any) -> bool:
        return x.is_floating_point()

    def einsum(self, pattern: str, *x: Any) -> Any:
        return rl.einsum(pattern, *x)


def register() -> type:
    """Declare the backend; einops finds it among the subclasses of its base class."""
    from einops._backends import AbstractBackend  # pyright: ignore[reportMissingImports]  # an extra

    backend = type("RushlightBackend", (Operations, AbstractBackend), {})
    REGISTERED.append(backend)  # a class list of subclasses alone would not keep it alive
    return backend

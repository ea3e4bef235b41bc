"""Transforms made of other transforms; they hand on as many samples as they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from .. import combine as first
from .transform import Transform, whole

Step = Callable[..., Any]


class _Several(Transform):
    transforms: Any

    def _set(self, transforms: Any, extra: tuple[type, ...] = (), words: str = "") -> None:
        if not isinstance(transforms, (Sequence, *extra)):
            raise TypeError(f"Argument transforms should be a sequence of callables{words}")
        if not transforms:
            raise ValueError("Pass at least one transform")
        if isinstance(transforms, rl.nn.Module):
            self.transforms = transforms
        else:  # a plain list, as in torchvision: nothing in it is trained, so no warning is due
            self.__dict__["transforms"] = transforms

    @staticmethod
    def _through(steps: Any, inputs: tuple[Any, ...]) -> Any:
        several, outputs = len(inputs) > 1, whole(inputs)
        for step in steps:
            outputs = step(*outputs) if several else step(outputs)
        return outputs


class _Listed(_Several):
    def extra_repr(self) -> str:
        return "\n".join(f"    {step}" for step in self.transforms)


class Compose(_Listed):
    """Apply `transforms` one after the other.

    Raises: TypeError, ValueError for no sequence and an empty one.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.Compose([v2.CenterCrop(2), v2.Normalize([0.5], [0.5])])(torch.ones(1, 4, 4))
    tensor([[[1., 1.],
             [1., 1.]]])
    """

    def __init__(self, transforms: Sequence[Step]) -> None:
        super().__init__()
        self._set(transforms)

    def forward(self, *inputs: Any) -> Any:
        return self._through(self.transforms, inputs)


class RandomApply(_Listed):
    """Apply all of `transforms` with probability `p` (one `rand(1)`), else none.

    Raises: TypeError, ValueError for no sequence, an empty one, another p.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomApply([v2.RandomInvert(p=1.0)], p=0.0)(torch.tensor([[[0.25]]]))
    tensor([[[0.2500]]])
    """

    first = first.RandomApply

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self._set(transforms, (rl.nn.ModuleList,), " or a `nn.ModuleList`")
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        steps = () if rl.rand(1) >= self.p else self.transforms
        return self._through(steps, inputs)


class RandomChoice(_Several):
    """Apply one of `transforms`, drawn with weights `p` (one `multinomial`).

    Raises: TypeError, ValueError for no sequence, an empty one, weights of another number.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> pick = v2.RandomChoice([v2.Identity(), v2.RandomInvert(p=1.0)], p=[0.0, 1.0])
    >>> pick(torch.tensor([[[0.25]]]))
    tensor([[[0.7500]]])
    """

    def __init__(self, transforms: Sequence[Step], p: Sequence[float] | None = None) -> None:
        super().__init__()
        self._set(transforms)
        weights = [1] * len(transforms) if p is None else list(p)
        if len(weights) != len(transforms):
            raise ValueError("Length of p doesn't match the number of transforms: "
                             f"{len(weights)} != {len(transforms)}")  # fmt: skip
        # as in `_set`: a list given by assignment has the module looked through for lost layers
        self.__dict__["p"] = [weight / sum(weights) for weight in weights]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(rl.multinomial(rl.tensor(self.p), 1))](*inputs)


class RandomOrder(_Several):
    """Apply all of `transforms` in a random order (`randperm`).

    Raises: TypeError, ValueError for no sequence and an empty one.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomOrder([v2.CenterCrop(2), v2.RandomInvert(p=1.0)])(torch.zeros(1, 4, 4))
    tensor([[[1., 1.],
             [1., 1.]]])
    """

    def __init__(self, transforms: Sequence[Step]) -> None:
        super().__init__()
        self._set(transforms)

    def forward(self, *inputs: Any) -> Any:
        order = rl.randperm(len(self.transforms)).tolist()
        return self._through([self.transforms[k] for k in order], inputs)

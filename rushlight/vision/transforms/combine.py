"""Transforms made of other transforms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

Step = Callable[[Any], Any]


def _listed(name: str, steps: Sequence[Step], *first: str) -> str:
    lines = [*first, *(repr(step) for step in steps)]
    return name + "(" + "".join(f"\n    {line}" for line in lines) + "\n)"


class Compose:
    """Apply `transforms` one after the other.

    transforms: callables, each given what the one before it returned.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Compose.html

    >>> from rushlight.vision import transforms
    >>> transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    Compose(
        ToTensor()
        Normalize(mean=0.5, std=0.5)
    )
    """

    def __init__(self, transforms: Sequence[Step]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for step in self.transforms:
            img = step(img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class Lambda:
    """Apply a function. Raises: TypeError when `lambd` cannot be called.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.Lambda(lambda x: x * 2)(torch.tensor([1, 2]))
    tensor([2, 4])
    """

    def __init__(self, lambd: Step) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomApply(rl.nn.Module):
    """Apply all of `transforms` with probability `p`, else none.

    transforms: a list, or a ModuleList of transforms that are modules.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> twice = transforms.Lambda(lambda x: x * 2)
    >>> transforms.RandomApply([twice, twice], p=1)(torch.tensor([1]))
    tensor([4])
    """

    transforms: Sequence[Step]

    def __init__(self, transforms: Sequence[Step], p: float = 0.5) -> None:
        super().__init__()
        # a plain list, as in torchvision: nothing in it is trained, so no warning is due
        self.__dict__["transforms"] = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < rl.rand(1):
            return img
        for step in self.transforms:
            img = step(img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms, f"p={self.p}")


class RandomOrder:
    """Apply all of `transforms` in an order drawn from Python's generator, as torchvision does.

    Raises: TypeError unless `transforms` is a sequence.

    >>> from rushlight.vision import transforms
    >>> steps = [transforms.Lambda(lambda x: x + 1), transforms.Lambda(lambda x: x * 2)]
    >>> transforms.RandomOrder(steps)(1) in (4, 3)
    True
    """

    def __init__(self, transforms: Sequence[Step]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for number in order:
            img = self.transforms[number](img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class RandomChoice:
    """Apply one of `transforms`, drawn with weights `p` from Python's generator.

    Raises: TypeError unless `transforms` (and `p`, if given) is a sequence.

    >>> from rushlight.vision import transforms
    >>> steps = [transforms.Lambda(lambda x: x + 1), transforms.Lambda(lambda x: x * 2)]
    >>> transforms.RandomChoice(steps, p=[0, 1])(5)
    10
    """

    def __init__(self, transforms: Sequence[Step], p: Sequence[float] | None = None) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.transforms = transforms
        self.p = p

    def __call__(self, img: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](img)

    def __repr__(self) -> str:
        return f"{_listed(type(self).__name__, self.transforms)}(p={self.p})"

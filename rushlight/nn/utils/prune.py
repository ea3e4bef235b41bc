"""torch.nn.utils.prune: parameters multiplied by masks of zeros and ones before every call.

A pruned parameter `name` of a module becomes a parameter `name_orig` and a buffer `name_mask`;
`module.name` is their product, made again before each forward.
Source: https://pytorch.org/docs/stable/nn.html#module-torch.nn.utils
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

import rushlight as rl

from .convert_parameters import parameters_to_vector
from .pruning import BasePruningMethod, PruningContainer


class Identity(BasePruningMethod):
    """Prunes nothing: a mask of ones, to be pruned further.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> prune.Identity().prune(torch.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        return default_mask


class _ByAmount(BasePruningMethod):
    """Prunes `amount` units: a number of them, or a share between 0 and 1."""

    def __init__(self, amount: Any) -> None:
        _check_amount(amount)
        self.amount = amount

    def _count(self, units: int) -> int:
        if not isinstance(self.amount, Integral):
            return round(self.amount * units)
        if int(self.amount) > units:
            raise ValueError(
                f"amount={self.amount} should be smaller than the number of parameters to"
                f" prune={units}"
            )
        return int(self.amount)


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, Integral)
    if float(amount) < 0 or (not whole and float(amount) > 1):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative"
            " integer"
        )


class RandomUnstructured(_ByAmount):
    """Prunes single numbers at random.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> int((prune.RandomUnstructured(amount=2).prune(torch.ones(5)) == 0).sum())
    2
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        count = self._count(t.nelement())
        mask = default_mask.clone().contiguous()
        if count:
            mask.view(-1)[rl.topk(rl.rand_like(t).view(-1), k=count).indices] = 0
        return mask


class L1Unstructured(_ByAmount):
    """Prunes the single numbers nearest to zero.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> prune.L1Unstructured(amount=0.5).prune(torch.tensor([1.0, -2.0, 0.5, 3.0]))
    tensor([ 0., -2.,  0.,  3.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        count = self._count(t.nelement())
        mask = default_mask.clone().contiguous()
        if count:
            mask.view(-1)[rl.topk(t.abs().view(-1), k=count, largest=False).indices] = 0
        return mask


class _Structured(_ByAmount):
    """Prunes whole channels along `dim`."""

    PRUNING_TYPE = "structured"
    dim: int

    def _channels(self, t: Any) -> tuple[int, int]:
        """How many channels there are, and how many go."""
        if t.dim() < 2:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor"
                f" of shape {t.shape} with {t.dim()} dims"
            )
        if not -t.dim() <= self.dim < t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        return t.shape[self.dim], self._count(t.shape[self.dim])

    def _keeping(self, t: Any, channels: Any, default_mask: Any) -> Any:
        mask = rl.zeros_like(t)
        place: list[Any] = [slice(None)] * t.dim()
        place[self.dim] = channels
        mask[tuple(place)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """Prunes channels at random: `amount` of the slices along `dim`.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> int((prune.RandomStructured(amount=1, dim=0).prune(torch.ones(3, 2)) == 0).sum())
    2
    """

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        channels, count = self._channels(t)
        if not count:
            return default_mask
        drawn = rl.rand(channels)
        return self._keeping(t, drawn > rl.kthvalue(drawn, k=count).values, default_mask)


class LnStructured(_Structured):
    """Prunes the channels of the smallest n-norm: `amount` of the slices along `dim`.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> prune.LnStructured(amount=1, n=2, dim=0).prune(torch.tensor([[3.0, 4.0], [1.0, 1.0]]))
    tensor([[3., 4.],
            [0., 0.]])
    """

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.n = n
        self.dim = dim

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        channels, count = self._channels(t)
        if not count:
            return default_mask
        others = [d for d in range(t.dim()) if d != self.dim % t.dim()]
        norm = rl.norm(t, p=self.n, dim=others)
        return self._keeping(t, rl.topk(norm, k=channels - count).indices, default_mask)


class CustomFromMask(BasePruningMethod):
    """Prunes by a given mask.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> mask = torch.tensor([1, 0])
    >>> prune.CustomFromMask(mask).prune(torch.tensor([3.0, 4.0]))
    tensor([3., 0.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape"
                f" {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def identity(module: Any, name: str) -> Any:
    """Give a parameter the form of a pruned one, with a mask of ones.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer = prune.identity(torch.nn.Linear(2, 2), "weight")
    >>> sorted(layer.state_dict())
    ['bias', 'weight_mask', 'weight_orig']
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune `amount` numbers (or that share of them) of a parameter at random.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer = prune.random_unstructured(torch.nn.Linear(4, 2), "weight", amount=3)
    >>> layer.weight_mask.sum()
    tensor(5.)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """Prune the numbers of a parameter that are smallest in size, or by the scores.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(4, 2), "weight", amount=0.5)
    >>> int((layer.weight == 0).sum()), sorted(layer.state_dict())
    (4, ['bias', 'weight_mask', 'weight_orig'])
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune `amount` channels along `dim` at random.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer = prune.random_structured(torch.nn.Linear(4, 3), "weight", amount=1, dim=0)
    >>> layer.weight_mask.sum(1).sort().values
    tensor([0., 4., 4.])
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None
) -> Any:
    """Prune the channels along `dim` of the smallest n-norm, of the parameter or the scores.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer = torch.nn.Linear(1, 3)
    >>> layer.weight.data = torch.tensor([[3.0], [-1.0], [2.0]])
    >>> prune.ln_structured(layer, "weight", amount=1, n=2, dim=0).weight_mask.T
    tensor([[1., 0., 1.]])
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune a parameter by a given mask.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer, mask = torch.nn.Linear(2, 1), torch.tensor([[1, 0]])
    >>> (prune.custom_from_mask(layer, "weight", mask).weight == 0).tolist()
    [[False, True]]
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune many parameters, (module, name) each, by comparing all their numbers.

    Raises: TypeError if `parameters` is no iterable, or the method not unstructured.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=0.5)
    >>> a.weight_mask.sum() + b.weight_mask.sum()
    tensor(4.)
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs: list[Any] = list(parameters)
    flat = parameters_to_vector([scores.get(pair, getattr(*pair)) for pair in pairs])
    before = parameters_to_vector(
        [
            getattr(module, name + "_mask", rl.ones_like(getattr(module, name)))
            for module, name in pairs
        ]
    )
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method'
            f" {pruning_method} of type {method.PRUNING_TYPE}"
        )
    with rl.no_grad():
        mask = PruningContainer(method).compute_mask(flat, before)
    start = 0
    for module, name in pairs:
        shape = getattr(module, name).shape
        custom_from_mask(module, name, mask[start : start + shape.numel()].view(shape))
        start += shape.numel()


def _hooks(module: Any, wanted: Callable[[Any], bool]) -> list[Any]:
    found = module._forward_pre_hooks.items()
    return [key for key, hook in found if isinstance(hook, BasePruningMethod) and wanted(hook)]


def remove(module: Any, name: str) -> Any:
    """Make a pruned parameter an ordinary one that holds its pruned values.

    Raises: ValueError if it is not pruned.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer = prune.l1_unstructured(torch.nn.Linear(4, 2), "weight", amount=3)
    >>> sorted(prune.remove(layer, "weight").state_dict()), (layer.weight == 0).sum()
    (['bias', 'weight'], tensor(3))
    """
    for key in _hooks(module, lambda hook: hook._tensor_name == name):
        module._forward_pre_hooks.pop(key).remove(module)
        return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Any) -> bool:
    """Whether a parameter of the module, or of a module in it, is pruned.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer = torch.nn.Linear(2, 2)
    >>> prune.is_pruned(layer), prune.is_pruned(prune.identity(layer, "weight"))
    (False, True)
    """
    return any(_hooks(one, lambda hook: True) for one in module.modules())

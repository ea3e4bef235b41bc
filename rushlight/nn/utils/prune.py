"""torch.nn.utils.prune: parameters multiplied by masks of zeros and ones before every call.

A pruned parameter `name` of a module becomes a parameter `name_orig` and a buffer `name_mask`;
`module.name` is their product, made again before each forward.
Source: https://pytorch.org/docs/stable/nn.html#module-torch.nn.utils
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral, Real
from typing import Any

import rushlight as rl

from .convert_parameters import parameters_to_vector


class BasePruningMethod(ABC):
    """A way to choose what is pruned; subclasses say the mask in `compute_mask`.

    >>> import rushlight as torch
    >>> import rushlight.nn.utils.prune as prune
    >>> class EveryOther(prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         mask = default_mask.clone()
    ...         mask.view(-1)[::2] = 0
    ...         return mask
    >>> layer = torch.nn.Linear(4, 2)
    >>> method = EveryOther.apply(layer, "bias")
    >>> layer.bias_mask
    tensor([0., 1.])
    """

    _tensor_name: str
    PRUNING_TYPE: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask for importances t, on top of the mask there is."""

    def apply_mask(self, module: Any) -> Any:
        """The original parameter times its mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> Any:
        """Prune a parameter now, on top of what was pruned before, and before every forward."""
        method = _on_top(cls(*args, **kwargs), module, name)
        original = getattr(module, name)
        if importance_scores is not None and importance_scores.shape != original.shape:
            raise AssertionError(
                "importance_scores should have the same shape as parameter"
                f" {name} of {module}, got {importance_scores.shape} vs {original.shape}"
            )
        scores = original if importance_scores is None else importance_scores
        again = isinstance(method, PruningContainer)
        if again:
            start = getattr(module, name + "_mask").detach().clone().contiguous()
        else:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
            start = rl.ones_like(original)
        try:
            with rl.no_grad():
                mask = method.compute_mask(scores, default_mask=start)
            module.register_buffer(name + "_mask", mask)
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if not again:  # as it was
                module.register_parameter(name, getattr(module, name + "_orig"))
                del module._parameters[name + "_orig"]
            raise
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """t with zeros where this method prunes it; no module is involved.

        >>> import rushlight as torch
        >>> torch.nn.utils.prune.L1Unstructured(amount=0.5).prune(torch.tensor([1.0, -3.0]))
        tensor([ 0., -3.])
        """
        if importance_scores is not None and importance_scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t,"
                f" got {importance_scores.shape} vs {t.shape}"
            )
        scores = t if importance_scores is None else importance_scores
        start = rl.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=start)

    def remove(self, module: Any) -> None:
        """Make the pruned values the parameter itself, without mask and without hook."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        parameter = module._parameters.pop(name + "_orig")
        parameter.data = pruned.data
        del module._buffers[name + "_mask"]
        setattr(module, name, parameter)


class PruningContainer(BasePruningMethod):
    """Several methods, one after another, on one parameter.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import prune
    >>> layer = torch.nn.Linear(4, 1, bias=False)
    >>> prune.l1_unstructured(layer, "weight", amount=1)
    Linear(in_features=4, out_features=1, bias=False)
    >>> prune.l1_unstructured(layer, "weight", amount=1)  # of those that are left
    Linear(in_features=4, out_features=1, bias=False)
    >>> hook = next(iter(layer._forward_pre_hooks.values()))
    >>> type(hook).__name__, len(hook), int((layer.weight == 0).sum())
    ('PruningContainer', 2, 2)
    """

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if not args:
            return
        self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """One more method, for the same parameter. Raises: TypeError, ValueError."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named"
                f" '{self._tensor_name}' to PruningContainer {self}."
                f" Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of the last method, chosen among what the mask so far leaves."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype).clone()
        left = _left(method, t, mask)
        found = method.compute_mask(t[left], default_mask=mask[left])
        mask[left] = found.to(dtype=mask.dtype)
        return mask


def _left(method: Any, t: Any, mask: Any) -> Any:
    """The index of what a method may still prune."""
    kind = method.PRUNING_TYPE
    everything: list[Any] = [slice(None)] * t.dim()
    if kind == "unstructured":
        return mask == 1
    if kind == "global":
        return tuple(everything)
    if kind != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
    if not hasattr(method, "dim"):
        raise AttributeError(
            'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
        )
    rank, dim = t.dim(), method.dim
    dim = dim + rank if dim < 0 else dim
    if not 0 <= dim < rank:
        raise IndexError(f"Index is out of bounds for tensor with dimensions {rank}")
    everything[dim] = mask.sum(dim=[d for d in range(rank) if d != dim]) != 0
    return tuple(everything)


def _on_top(method: Any, module: Any, name: str) -> Any:
    """The method, or a container of it behind the one that prunes the parameter already."""
    method._tensor_name = name
    hooks = module._forward_pre_hooks
    found = [
        key
        for key, hook in hooks.items()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    ]
    if not found:
        return method
    if len(found) > 1:
        raise AssertionError(
            f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}."
            " Use a PruningContainer."
        )
    before = hooks.pop(found[0])
    container = before if isinstance(before, PruningContainer) else PruningContainer(before)
    container.add_pruning_method(method)
    return container


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

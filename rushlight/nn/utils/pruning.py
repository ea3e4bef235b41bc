"""What all ways to prune have in common, and several of them on one parameter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import rushlight as rl


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

"""Parametrisations: a parameter that is computed from others whenever it is read."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import rushlight as rl

from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations", "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]  # fmt: skip

_cache: dict[tuple[int, str], Any] = {}
_cache_depth = [0]
_NO_PICKLE = (
    "Serialization of parametrized modules is only supported through state_dict(). See:\n"
    "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
    "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
)


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside, every parametrised tensor is computed once and kept.

    >>> import rushlight as torch
    >>> class Double(torch.nn.Module):
    ...     def forward(self, x):
    ...         print("computed")
    ...         return 2 * x
    >>> layer = torch.nn.Linear(1, 1)
    >>> layer = torch.nn.utils.parametrize.register_parametrization(layer, "bias", Double())
    computed
    >>> with torch.nn.utils.parametrize.cached():
    ...     same = layer.bias is layer.bias
    computed
    """
    _cache_depth[0] += 1
    try:
        yield
    finally:
        _cache_depth[0] -= 1
        if not _cache_depth[0]:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, and the tensors it is computed from.

    >>> import rushlight as torch
    >>> P = torch.nn.utils.parametrize
    >>> layer = P.register_parametrization(torch.nn.Linear(2, 2), "weight", torch.nn.Tanh())
    >>> layer.parametrizations.weight[0], layer.parametrizations.weight.original.shape
    (Tanh(), torch.Size([2, 2]))
    """

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new: Any = self._first_inverse(original)
        self.is_tensor = isinstance(new, rl.Tensor)
        if not self.is_tensor:
            _check_sequence(new)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if original.dtype != new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            # The same object stays, so that an optimiser that holds it goes on working.
            with rl.no_grad():
                if new is not original:
                    original.data = new.data
            _register(self, "original", original)
        else:
            for place, part in enumerate(new):
                _register(self, f"original{place}", _part(part, place, original))
        if not unsafe:
            self._check_kept(shape, dtype)

    def _check_kept(self, shape: Any, dtype: Any) -> None:
        result = self()
        if not isinstance(result, rl.Tensor):
            raise ValueError(
                f"A parametrization must return a tensor. Got {type(result).__name__}."
            )
        for what, before, after in (("dtype", dtype, result.dtype), ("shape", shape, result.shape)):
            if before != after:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, "
                    f"unless `unsafe` flag is enabled.\nunparametrized {what}: {before}\n"
                    f"parametrized {what}: {after}"
                )

    def _first_inverse(self, value: Any) -> Any:
        """`value` as it was before; a parametrisation without an inverse leaves it as it is."""
        with rl.no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        value = module.right_inverse(value)
        return value

    def _inverse(self, value: Any) -> Any:
        with rl.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
        return value

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the computed tensor becomes `value`."""
        value = self._inverse(value)
        if self.is_tensor:
            if not isinstance(value, rl.Tensor):
                raise ValueError(
                    f"`right_inverse` should return a tensor. Got {type(value).__name__}"
                )
            self._take("original", value, "The tensor")
            return
        if not isinstance(value, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}."
            )
        if len(value) != self.ntensors:
            raise ValueError(
                "'right_inverse' must return a sequence of tensors of length "
                f"{self.ntensors}. Got a sequence of length {len(value)}."
            )
        for place, part in enumerate(value):
            if not isinstance(part, rl.Tensor):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors or reference-type opaques."
                    f" Got element {place} of type {type(part).__name__}."
                )
            self._take(f"original{place}", part, f"Tensor {place}")

    def _take(self, name: str, value: Any, which: str) -> None:
        """Let an original hold `value` from now on."""
        original = getattr(self, name)
        if value.dtype != original.dtype:
            raise ValueError(
                f"{which} returned by `right_inverse` has dtype {value.dtype} "
                f"while `{name}` has dtype {original.dtype}"
            )
        original.data = value.data

    def forward(self) -> Any:
        first, *rest = list(self)
        if self.is_tensor:
            x = first(self.original)
        else:
            x = first(*[getattr(self, f"original{place}") for place in range(self.ntensors)])
        for module in rest:
            x = module(x)
        return x


def _check_sequence(value: Any) -> None:
    if not isinstance(value, Sequence):
        raise ValueError(
            "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
            f"Got {type(value).__name__}"
        )


def _part(value: Any, place: int, original: Any) -> Any:
    """One of several tensors that stand in for `original`."""
    if not isinstance(value, rl.Tensor):
        raise ValueError(
            "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
            f"Got element {place} of the sequence with type {type(value).__name__}."
        )
    if isinstance(original, Parameter):
        return Parameter(value, original.requires_grad)
    return value.requires_grad_(original.requires_grad)


def _register(module: Any, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _parametrized_class(module: Any) -> type:
    """A subclass of the module's class, which computed attributes can be put on."""
    base = type(module)

    def getstate(self: Any) -> dict:
        raise RuntimeError(_NO_PICKLE)

    def deepcopy(self: Any, memo: dict) -> Any:
        if id(self) not in memo:
            replica = self.__new__(type(self))
            memo[id(self)] = replica
            replica.__dict__ = copy.deepcopy(self.__dict__, memo)
        return memo[id(self)]

    body: dict[str, Any] = {"__getstate__": getstate, "__module__": __name__}
    if not hasattr(base, "__deepcopy__"):
        body["__deepcopy__"] = deepcopy
    return type(f"Parametrized{base.__name__}", (base,), body)


def _property_for(name: str) -> property:
    def read(self: Any) -> Any:
        if not _cache_depth[0]:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def write(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _check_added(parametrization: Any, before: Any, name: str) -> None:
    """Refuse one more parametrisation that changes form or type, either way."""
    after = parametrization(before)
    if not isinstance(after, rl.Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    for what in ("dtype", "shape"):
        if getattr(after, what) != getattr(before, what):
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless the"
                f" `unsafe` flag is enabled.\n{name}.{what}: {getattr(before, what)}\n"
                f"parametrization({name}).{what}: {getattr(after, what)}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(back, rl.Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
        )
    for what in ("dtype", "shape"):
        if getattr(back, what) != getattr(before, what):
            raise ValueError(
                "The tensor returned by parametrization.right_inverse must have the same"
                f" {what} as {name}, unless the `unsafe` flag is enabled.\n{name}.{what}:"
                f" {getattr(before, what)}\nreturned {what}: {getattr(back, what)}"
            )


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False
) -> Any:
    """Compute `module.<tensor_name>` as parametrization(original) from now on.

    The original moves to `module.parametrizations.<tensor_name>.original`. unsafe: the
    parametrisation may change shape or dtype. Returns the module.
    Source: https://pytorch.org/docs/stable/nn.html#utilities

    >>> import rushlight as torch
    >>> class Double(torch.nn.Module):
    ...     def forward(self, weight): return 2 * weight
    >>> layer = torch.nn.Linear(1, 1)
    >>> _ = torch.nn.utils.parametrize.register_parametrization(layer, "bias", Double())
    >>> layer.bias.item() == 2 * layer.parametrizations.bias.original.item()
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        held = module.parametrizations[tensor_name]
        if not unsafe:
            _check_added(parametrization, getattr(module, tensor_name), f"module.{tensor_name}")
        held.append(parametrization)
        held.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        held = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            module.__class__ = _parametrized_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property_for(tensor_name))
        module.parametrizations[tensor_name] = held
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether the module, or one of its tensors, is parametrised.

    >>> import rushlight as torch
    >>> torch.nn.utils.parametrize.is_parametrized(torch.nn.Linear(1, 1))
    False
    """
    held = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Put a plain tensor back: the computed one, or with leave_parametrized=False the original.

    >>> import rushlight as torch
    >>> P = torch.nn.utils.parametrize
    >>> layer = P.register_parametrization(torch.nn.Linear(2, 2), "weight", torch.nn.Tanh())
    >>> P.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    held: Any = module.parametrizations[tensor_name]
    if held.is_tensor:
        original = held.original
        if leave_parametrized:
            with rl.no_grad():
                original.data = getattr(module, tensor_name).data
    else:
        if not leave_parametrized:
            raise ValueError(
                "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
                "parametrized in terms of a sequence of tensors."
            )
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Any) -> type:
    """The class of the module without its parametrisations.

    >>> import rushlight as torch
    >>> P = torch.nn.utils.parametrize
    >>> layer = P.register_parametrization(torch.nn.Linear(2, 2), "weight", torch.nn.Tanh())
    >>> type(layer).__name__, P.type_before_parametrizations(layer).__name__
    ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Any, to_module: Any, tensor_name: str | None = None
) -> Any:
    """Give `to_module` copies of the parametrisations of `from_module`; returns it.

    >>> import rushlight as torch
    >>> P = torch.nn.utils.parametrize
    >>> layer = P.register_parametrization(torch.nn.Linear(2, 2), "weight", torch.nn.Tanh())
    >>> other = P.transfer_parametrizations_and_params(layer, torch.nn.Linear(2, 2))
    >>> P.is_parametrized(other, "weight"), torch.equal(other.weight, layer.weight)
    (True, True)
    """
    if not is_parametrized(from_module):
        return to_module
    names = [tensor_name] if tensor_name is not None else list(from_module.parametrizations)
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, copy.deepcopy(getattr(from_module, name).detach()))
        for part in source:
            register_parametrization(to_module, name, copy.deepcopy(part), unsafe=source.unsafe)
        for key, value in source.named_parameters(recurse=False):
            getattr(to_module.parametrizations[name], key).data = value.data.clone()
    return to_module

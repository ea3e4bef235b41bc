"""state_dict and load_state_dict: a module's parameters and buffers as a flat dictionary."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import rushlight as rl

from .. import __future__ as _future
from ..core.errors import fail
from .parameter import Parameter, is_lazy

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What load_state_dict answers: the keys that found no partner on the other side."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateMixin:
    """The part of Module that saves and loads."""

    _version: int = 1
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: dict[int, Callable]
    _state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_post_hooks: dict[int, Callable]

    def get_extra_state(self) -> Any:
        """What to save beside parameters and buffers; override together with set_extra_state."""
        raise _never_called("get_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave."""
        raise _never_called("set_extra_state")

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        """Put this module's own parameters and buffers (not its children's) into `destination`."""
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not StateMixin.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers under their dotted names.

        The tensors share memory with the module's; `keep_vars=True` keeps them attached to the
        graph. Source: https://pytorch.org/docs/stable/generated/torch.nn.Module.html

        >>> import rushlight as torch
        >>> list(torch.nn.Linear(2, 1).state_dict())
        ['weight', 'bias']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.state_dict for details.",
                FutureWarning,
                stacklevel=2,
            )
            given = [destination, prefix, keep_vars]
            given[: len(args)] = args
            destination, prefix, keep_vars = given
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            answer = hook(self, destination, prefix, local_metadata)
            if answer is not None:
                if getattr(hook, "_from_public_api", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = answer
        return destination

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Copy this module's own parameters and buffers; report in the three lists."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                error_msgs,
            )  # fmt: skip
        local = _local_state(self)
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, target in local.items():
            key = prefix + name
            if key in state_dict:
                _load_one(self, name, key, target, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)
        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not StateMixin.set_extra_state:
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            unexpected_keys.extend(_strangers(self, state_dict, prefix, local, extra_key))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy the tensors of `state_dict` into this module and its children, by dotted name.

        strict: refuse missing and unexpected keys. assign: take the tensors over instead of
        copying. Returns the missing and the unexpected keys; raises RuntimeError with every
        mismatch at once.

        >>> import rushlight as torch
        >>> net = torch.nn.Linear(2, 1)
        >>> net.load_state_dict(net.state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise fail(
                TypeError,
                f"Expected state_dict to be dict-like, got {type(state_dict)}.",
                *_instead_of_a_state(state_dict),
            )
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)
        if metadata is not None:
            state._metadata = metadata
        _load_tree(self, state, metadata, "", strict, assign, missing, unexpected, errors)
        notes = [] if not strict else _nearest_names(missing, unexpected, state)
        if strict:
            errors[:0] = _listed("Missing", missing) + _listed("Unexpected", unexpected)
        if errors:
            listing = "\n\t".join(errors)
            raise fail(
                RuntimeError,
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listing}",
                *notes,
            )
        return _IncompatibleKeys(missing, unexpected)


def _listed(kind: str, keys: list[str]) -> list[str]:
    quoted = ", ".join(f'"{key}"' for key in keys)
    return [f"{kind} key(s) in state_dict: {quoted}. "] if keys else []


def _never_called(method: str) -> RuntimeError:
    return RuntimeError(
        f"Reached a code path in Module.{method}() that should never be called. Please file an "
        "issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report "
        "this bug."
    )


def _local_state(module: Any) -> dict[str, Any]:
    """The module's own parameters and persistent buffers that are not None."""
    buffers = {
        name: buffer
        for name, buffer in module._buffers.items()
        if name not in module._non_persistent_buffers_set
    }
    both = {**module._parameters, **buffers}
    return {name: value for name, value in both.items() if value is not None}


def _load_one(
    module: Any, name: str, key: str, target: Any, value: Any, assign: bool, errors: list[str]
) -> None:
    """Copy or assign one tensor, or say in `errors` why not."""
    if not isinstance(value, rl.Tensor):
        errors.append(
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(value)}"
        )
        return
    lazy = is_lazy(target)
    if lazy and is_lazy(value):  # neither has numbers yet
        return
    # A checkpoint written when scalars were one-element vectors still fits a scalar.
    if not lazy and len(target.shape) == 0 and len(value.shape) == 1:
        value = value[0]
    if not lazy and value.shape != target.shape:
        errors.append(
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {target.shape}."
        )
        return
    if not lazy and target.is_meta and not (value.is_meta or assign):
        warnings.warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in"
            " the current model, which is a no-op. (Did you mean to pass `assign=True` to assign"
            " items in the state dictionary to their corresponding key in the module instead of"
            " copying them in place?)",
            stacklevel=4,
        )
    swap = _future.get_swap_module_params_on_conversion()
    try:
        with rl.no_grad():
            if swap:
                _swap(target, value, assign)
            elif assign:
                setattr(module, name, _adopted(target, value))
            else:
                target.copy_(value)
    except Exception as error:
        errors.append(_failed("swapping" if swap else "copying", key, target, value, error))


def _failed(doing: str, key: str, target: Any, value: Any, error: Exception) -> str:
    size = rl.Size([0]) if is_lazy(target) else target.size()
    return (
        f'While {doing} the parameter named "{key}", whose dimensions in the model are '
        f"{size} and whose dimensions in the checkpoint are {value.size()}, "
        f"an exception occurred : {error.args}."
    )


def _swap(target: Any, value: Any, assign: bool) -> None:
    """Exchange `target` with what its `module_load` makes of `value`."""
    loaded = target.module_load(value, assign=assign)
    if loaded is value or loaded is target:
        raise RuntimeError(
            "module_load returned one of self or other, please .detach() "
            "the result if returning one of the inputs in module_load"
        )
    rl.utils.swap_tensors(target, _adopted(target, loaded))


def _adopted(target: Any, value: Any) -> Any:
    """`value` in the role that `target` plays (a parameter stays a parameter)."""
    if not isinstance(target, Parameter):
        return value
    if isinstance(value, Parameter):
        return value.requires_grad_(target.requires_grad)
    return Parameter(value, requires_grad=target.requires_grad)


def _strangers(module: Any, state: dict, prefix: str, local: dict, extra_key: str) -> list[str]:
    """Keys under `prefix` that neither a child nor the module itself knows."""
    found = []
    for key in state:
        if not key.startswith(prefix) or key == extra_key:
            continue
        head, dot, _ = key[len(prefix) :].partition(".")
        known = module._modules if dot else local
        if head not in known:
            found.append(key)
    return found


def _load_tree(
    module: Any,
    state: dict,
    metadata: Any,
    prefix: str,
    strict: bool,
    assign: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
    if assign:
        local_metadata["assign_to_params_buffers"] = assign
    module._load_from_state_dict(state, prefix, local_metadata, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            part = {key: value for key, value in state.items() if key.startswith(below)}
            _load_tree(child, part, metadata, below, strict, assign, missing, unexpected, errors)
    incompatible = _IncompatibleKeys(missing, unexpected)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, incompatible) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                "inplace."
            )


def _instead_of_a_state(given: Any) -> list[str]:
    """A note for what stands where a state should, if it is one of the usual mistakes."""
    if isinstance(given, (str, PathLike)):
        return ["a path is read first: load_state_dict(torch.load(path))"]
    if isinstance(given, StateMixin):
        return ["a module's state is module.state_dict()"]
    return []


def _nearest_names(missing: list[str], unexpected: list[str], state: Mapping) -> list[str]:
    """Notes that pair a missing key with the unexpected key it resembles most."""
    for key in unexpected:
        inner = state.get(key)  # a hook may have named any key
        if isinstance(inner, Mapping) and any(name in inner for name in missing):
            return [f"the weights stand one level deeper: load_state_dict(checkpoint[{key!r}])"]
    for prefix in ("module.", "_orig_mod."):
        if unexpected and all(key.startswith(prefix) for key in unexpected):
            return [
                f'every key starts with "{prefix}": saved from a wrapped model; strip it with '
                f"{{k.removeprefix({prefix!r}): v for k, v in state_dict.items()}}"
            ]
    import difflib  # only a mistake needs it

    notes = []
    for key in unexpected[:20]:
        near = difflib.get_close_matches(key, missing, n=1, cutoff=0.5)
        if near:
            notes.append(f'"{key}" in the checkpoint resembles "{near[0]}" in the model')
    return notes

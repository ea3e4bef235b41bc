"""LazyModuleMixin: layers that read their input sizes from the first batch."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.errors import fail
from .parameter import is_lazy


class LazyModuleMixin:
    """Turns a layer into one whose parameters take shape at the first forward.

    The layer's parameters start as UninitializedParameter. The first call runs
    `initialize_parameters(*args)`, and then the object changes its class to `cls_to_become`, so
    that nothing lazy remains. Source:
    https://pytorch.org/docs/stable/generated/torch.nn.modules.lazy.LazyModuleMixin.html

    >>> import rushlight as torch
    >>> layer = torch.nn.LazyLinear(3)
    >>> _ = layer(torch.ones(2, 5))
    >>> layer
    Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become: Any = None
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner: Any = self
        self._load_hook = owner._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = owner.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        """As Module's, but a tensor without a shape is listed as it is."""
        transient: set = getattr(self, "_non_persistent_buffers_set", set())
        buffers = {k: v for k, v in self._buffers.items() if k not in transient}
        for name, value in {**self._parameters, **buffers}.items():
            if value is not None:
                kept = keep_vars or is_lazy(value)
                destination[prefix + name] = value if kept else value.detach()

    def _lazy_load_hook(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        """Take the shapes from a checkpoint when it knows them."""
        for name, value in {**self._parameters, **self._buffers}.items():
            given = state_dict.get(prefix + name)
            if value is not None and given is not None and is_lazy(value) and not is_lazy(given):
                with rl.no_grad():
                    value.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes from the first input; each lazy layer has its own."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether some parameter or buffer still has no shape."""
        return any(map(is_lazy, [*self._parameters.values(), *self._buffers.values()]))

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise fail(
                RuntimeError,
                f"module {module._get_name()} has not been fully initialized",
                "initialize_parameters must materialize every parameter and buffer",
            )
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

"""`replicate`: DistributedDataParallel, applied to a module in place."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing

__all__ = ["replicate"]
_package: Any = rl


class _Hooks:
    """Before and after forward of the module, what the wrapper does around it."""

    def __init__(self, module: Any, options: dict[str, Any]) -> None:
        self.module, self.options, self.wrapper = module, options, None

    def before(self, module: Any, args: Any, kwargs: Any) -> Any:
        """Share the weights at the first call; then await gradients."""
        if self.wrapper is None:
            parallel = _package.nn.parallel.DistributedDataParallel
            self.wrapper = parallel(module, **self.options)
        self.wrapper._before()


def replicate(
    module: Any, ignored_modules: Any = None, device_mesh: Any = None, **options: Any
) -> Any:
    """Have the gradients of a module be means over processes, and return the module."""
    if ignored_modules:
        inside = {id(p) for one in ignored_modules for p in one.parameters()}
        module._ddp_params_and_buffers_to_ignore = [
            name for name, p in module.named_parameters() if id(p) in inside
        ]
    hooks = _Hooks(module, {**options, "device_mesh": device_mesh})
    module.register_forward_pre_hook(hooks.before, with_kwargs=True)
    return module


_explain_missing(__name__)

"""spectral_norm as a hook: w / sigma(w). (The newer form is in parametrizations.py.)"""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..parameter import Parameter, UninitializedParameter
from .norms import as_matrix, normalized, power_iteration, transposed_dim

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


class SpectralNorm:
    """The forward pre-hook that divides the weight by its largest singular value.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 1))
    >>> type(next(iter(layer._forward_pre_hooks.values()))).__name__
    'SpectralNorm'
    """

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def compute_weight(self, module: Any, do_power_iteration: bool) -> Any:
        """weight_orig / (u^T W v)."""
        weight = getattr(module, self.name + "_orig")
        u = getattr(module, self.name + "_u")
        v = getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            power_iteration(matrix, u, v, self.n_power_iterations, self.eps)
            # The next call writes into u and v; this graph keeps its own.
            u, v = u.clone(), v.clone()
        return weight / rl.dot(u, rl.mv(matrix, v))

    @classmethod
    def apply(
        cls, module: Any, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Replace parameter `name` of `module` by its original, two buffers and this hook."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        hook = cls(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. "
                "Make sure to run the dummy forward before applying spectral normalization"
            )
        with rl.no_grad():
            matrix = as_matrix(weight, dim)
            rows, columns = matrix.shape
            u = normalized(weight.new_empty(rows).normal_(0, 1), eps)
            v = normalized(weight.new_empty(columns).normal_(0, 1), eps)
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        setattr(module, name, weight.data)
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(_Version(hook))
        return hook

    def remove(self, module: Any) -> None:
        """Put the normalised weight in the place of the original."""
        with rl.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


class _Version:
    """Marks a state_dict as torch does."""

    def __init__(self, hook: SpectralNorm) -> None:
        self.hook = hook

    def __call__(self, module: Any, state_dict: Any, prefix: str, local_metadata: dict) -> None:
        local_metadata.setdefault("spectral_norm", {})[self.hook.name + ".version"] = 1


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide parameter `name` by its largest singular value before every forward.

    Arguments: `n_power_iterations`, steps of the estimate per forward in training; `eps`, the least
    norm; `dim`, the weight's dimension of outputs. Raises: ValueError for no iterations,
    RuntimeError where it is done already.
    Source: Miyato et al., 2018. Returns the module.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(4, 4), n_power_iterations=50)
    >>> y = layer(torch.zeros(1, 4))
    >>> round(float(torch.linalg.matrix_norm(layer.weight, 2)), 2)
    1.0
    """
    dim = transposed_dim(module) if dim is None else dim
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Undo spectral_norm; returns the module.

    Raises: ValueError where parameter `name` has none.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(4, 4))
    >>> list(torch.nn.utils.remove_spectral_norm(layer).state_dict())
    ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for key, saved in module._state_dict_hooks.items():
        if isinstance(saved, _Version) and saved.hook.name == name:
            del module._state_dict_hooks[key]
            break
    return module

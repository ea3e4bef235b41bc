"""torch.__future__: how modules take over converted parameters, where the default may change."""

from __future__ import annotations

_CHOSEN = {"overwrite": False, "swap": False}


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Whether `module.to`, `float`, `half`, ... give the module new Parameters.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> before = layer.weight
    >>> torch.__future__.set_overwrite_module_params_on_conversion(True)
    >>> layer.double().weight is before
    False
    >>> torch.__future__.set_overwrite_module_params_on_conversion(False)
    """
    _CHOSEN["overwrite"] = value


def get_overwrite_module_params_on_conversion() -> bool:
    """Whether conversions give a module new Parameters; False unless set."""
    return _CHOSEN["overwrite"]


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Whether conversions swap each Parameter with the converted tensor (`utils.swap_tensors`).

    It goes before `set_overwrite_module_params_on_conversion`. The Parameters stay the same objects
    either way; a swap also exchanges class and attributes, and refuses where somebody holds a weak
    reference.

    >>> import rushlight as torch
    >>> torch.__future__.set_swap_module_params_on_conversion(True)
    >>> torch.nn.Linear(1, 1).double().weight.dtype
    torch.float64
    >>> torch.__future__.set_swap_module_params_on_conversion(False)
    """
    _CHOSEN["swap"] = value


def get_swap_module_params_on_conversion() -> bool:
    """Whether conversions swap Parameters with the converted tensors; False unless set."""
    return _CHOSEN["swap"]

"""torch.random: the default generator and its state."""

from .core.names import explain_missing as _explain_missing
from .functions.drawing import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state",
]  # fmt: skip
assert Generator and default_generator  # reachable as torch.random.Generator, as in torch

_explain_missing(__name__)

"""torch.random: the default generator and its state."""

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

"""torch.utils.serialization: what is set for all saving and loading, as attributes."""

import rushlight as rl

__all__ = ["config"]

config = rl.serialization.config

"""torch.fx.passes: passes over a whole graph."""

from . import shape_prop as shape_prop

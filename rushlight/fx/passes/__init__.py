"""torch.fx.passes: what walks over a whole graph."""

from . import shape_prop as shape_prop

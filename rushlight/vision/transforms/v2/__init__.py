"""torchvision.transforms.v2, of which the functions on pictures are here (`v2.functional`)."""

from ....core.names import explain_missing as _explain_missing
from ..functional import InterpolationMode
from . import functional

__all__ = ["InterpolationMode", "functional"]
_explain_missing(__name__)

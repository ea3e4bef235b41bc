"""`torch.torch_version`: a version that is a string and compares as a version."""

from .core.names import explain_missing as _explain_missing
from .version import OF_PACKAGE as __version__
from .version import TorchVersion

__all__ = ["TorchVersion", "__version__"]
_explain_missing(__name__)

"""torch.storage: the classes of the memory behind tensors, which `rushlight` has too."""

from .functions.storage import StorageBase as _StorageBase
from .functions.storage import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage", "_StorageBase"]

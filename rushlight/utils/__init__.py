"""Helpers around training: data loading, downloads, archives, the cache."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import data  # loaded on first use, to keep `import rushlight` quick
    from .naming import set_module
    from .swapping import swap_tensors

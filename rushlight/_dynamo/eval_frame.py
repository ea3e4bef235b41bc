"""The class of compiled modules, where libraries look for it."""

from ..nn.module_compiled import OptimizedModule

__all__ = ["OptimizedModule"]

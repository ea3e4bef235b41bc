"""The class of compiled modules, where libraries look for it."""

from ..nn.module import OptimizedModule

__all__ = ["OptimizedModule"]

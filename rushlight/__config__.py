"""torch.__config__: what computes here, as text."""

from __future__ import annotations

import platform

import numpy as np

from .functions.threads import get_num_threads
from .version import __version__


def show() -> str:
    """A description of what computes: the version, NumPy and Python."""
    return (
        f"rushlight {__version__}:\n  - NumPy {np.__version__}\n"
        f"  - Python {platform.python_version()}\n  - CPU only\n"
    )


def parallel_info() -> str:
    """How many threads compute."""
    return f"threads of the linear algebra: {get_num_threads()}\n"

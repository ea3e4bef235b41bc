"""Read MATLAB's files; the one place where SciPy is imported for data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...core.errors import fail
from ...utils.errors import DataError, describe_file


def read_matlab(path: str | os.PathLike[str], squeeze: bool = True) -> dict[str, Any]:
    """Return the arrays in a .mat file by name; `squeeze` drops axes of length 1.

    Raises: ImportError that tells what to install; DataError (a RuntimeError) with the path.
    """
    try:
        from scipy.io import loadmat  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        error.add_note("this data set is in a file of MATLAB's: pip install scipy")
        raise
    try:
        return loadmat(path, squeeze_me=squeeze)
    except FileNotFoundError:
        raise
    except Exception as error:
        # the reader meets broken bytes with whatever they lead to
        what = describe_file(Path(path)) or str(error) or type(error).__name__
        raise fail(DataError, f"{path}: {what}") from error

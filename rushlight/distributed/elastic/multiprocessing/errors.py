"""How a launched program's error reaches the launcher."""

from __future__ import annotations

import functools
import json
import os
import time
import traceback
from collections.abc import Callable
from typing import Any

from ....core.names import explain_missing as _explain_missing

__all__ = ["record"]


def record(fn: Callable[..., Any], error_handler: Any = None) -> Callable[..., Any]:
    """Decorate a program's main function: what it raises is also written as JSON to the file that
    TORCHELASTIC_ERROR_FILE names. The launcher here is told of every error, decorated or not.

    Source: https://docs.pytorch.org/docs/stable/elastic/errors.html

    >>> from rushlight.distributed.elastic.multiprocessing.errors import record
    >>> @record
    ... def main():
    ...     return 3
    >>> main()
    3
    """

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            path = os.environ.get("TORCHELASTIC_ERROR_FILE")
            if path:
                _write(path, error)
            raise

    return wrapped


def _write(path: str, error: Exception) -> None:
    extra = {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))}
    said = f"{type(error).__name__}: {error}"
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"message": {"message": said, "extraInfo": extra}}, file)


_explain_missing(__name__)

"""Inside a launched process: it dies with the launcher, and reports its error to it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from types import TracebackType

FOLDER = "RUSHLIGHT_LAUNCH_FOLDER"
PARENT = "RUSHLIGHT_LAUNCH_PROCESS"
DIE_WITH_PARENT = 1


def prepare() -> None:
    """Do so, if this process was launched."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        if os.environ.get(PARENT) not in (None, str(os.getppid())):
            os._exit(128 + signal.SIGKILL)  # it has died already
    path = os.path.join(folder, f"error.{os.environ.get('RANK', '0')}")

    def report(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError), open(path, "w", encoding="utf-8") as file:
            file.write(f"{kind.__name__}\n")
            traceback.print_exception(kind, error, trace, file=file)
            return
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = report

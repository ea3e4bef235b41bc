"""The environment variables that rushlight reads: one table, and a word about misspelt ones."""

from __future__ import annotations

import logging
import os

from ..core.names import nearest
from .terminal import warn

OURS = {
    "RUSHLIGHT_HOME": "folder for everything kept between runs (default: the cache folder)",
    "RUSHLIGHT_DATA": "folder in which data sets are looked for first",
    "RUSHLIGHT_OFFLINE": "1: never use the network",
    "RUSHLIGHT_PROGRESS": "0: no progress bar and no progress lines",
    "RUSHLIGHT_NUM_THREADS": "threads of matrix products and of compiled code",
    "RUSHLIGHT_CPU": "what code is compiled for: native, avx512, avx512bf16, avx2, sse",
    "RUSHLIGHT_COMPILE": "0: torch.compile gives back functions that run eagerly",
    "RUSHLIGHT_EAGER_KERNELS": "0: single operations run in NumPy alone, not on native kernels",
    "RUSHLIGHT_WINOGRAD": "0: convolutions of 3 x 3 follow the definition, not minimal filtering",
    "RUSHLIGHT_PROFILE": "any value: programs built from then on time their kernels",
    "RUSHLIGHT_COMPILE_CACHE": "0: keep no compiled code between runs",
    "RUSHLIGHT_KEPT_CALLS": "0: trace in every process, also where the disk has the call",
    "RUSHLIGHT_LAUNCH_FOLDER": "set by the launcher: where its processes leave their errors",
    "RUSHLIGHT_LAUNCH_PROCESS": "set by the launcher: its number",
    "RUSHLIGHT_LOG": "topics to log on stderr, separated by commas; all: everything",
}
HONOURED = {
    "OMP_NUM_THREADS": "threads, where RUSHLIGHT_NUM_THREADS is not set",
    "OPENBLAS_NUM_THREADS": "threads of OpenBLAS",
    "MKL_NUM_THREADS": "threads of MKL",
    "NO_COLOR": "any value: no colour",
    "FORCE_COLOR": "any value: colour even where there is no terminal",
    "TERM": "dumb: plain lines, no colour",
    "COLUMNS": "width of the progress bar",
    "TQDM_DISABLE": "any value: no progress bar",
    "XDG_CACHE_HOME": "parent of the cache folder",
}


def warn_of_unknown() -> None:
    """Warn of variables that look like ours and are not: a misspelt one does nothing."""
    for name in sorted(os.environ):
        if name.startswith("RUSHLIGHT_") and name not in OURS:
            near = nearest(name, OURS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(OURS)}"
            warn(f"unknown environment variable {name}; {hint}")


def start_logging() -> None:
    """Send the topics named in RUSHLIGHT_LOG to stderr."""
    topics = [topic.strip() for topic in os.environ.get("RUSHLIGHT_LOG", "").split(",")]
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    for topic in filter(None, topics):
        whole = topic in ("all", "1")
        logger = logging.getLogger("rushlight" if whole else f"rushlight.{topic}")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)

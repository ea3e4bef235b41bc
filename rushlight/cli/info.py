"""`rushlight info`: what somebody who is asked for help needs to know."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from ..utils.cache import cache_home
from .environment import HONOURED, OURS

PACKAGES = {
    "safetensors": "", "tqdm": "", "ml_dtypes": "bfloat16", "pillow": "vision",
    "matplotlib": "viz", "llvmlite": "compile", "onnx": "onnx", "mpi4py": "mpi",
    "sympy": "symbolic", "tensorboardX": "tensorboard",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `rushlight info`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(options: argparse.Namespace) -> int:
    """Print the report."""
    report = collect()
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    print("\n".join(lines(report)))
    return 0


def lines(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines, the topics in a column."""
    width = max(len(name) for name in report)
    for name, value in report.items():
        parts = (
            [f"{key}: {text}" for key, text in value.items()]
            if (isinstance(value, dict))
            else [str(value)]
        )
        for number, part in enumerate(parts or ["none"]):
            yield f"{name if not number else '':<{width}}  {part}"


def collect() -> dict[str, Any]:
    """The report: text, or a small table of texts, by topic."""
    return {
        "rushlight": f"{rl.__version__.partition('+rushlight')[2]} ({Path(rl.__file__).parent})",
        "interface": f"torch {rl.__version__.partition('+')[0]}",
        "Python": f"{platform.python_version()} {platform.python_implementation()} "
        f"({sys.executable})",
        "system": platform.platform(),
        "processor": f"{_processor()}, {_cores()} cores",
        "memory": _memory(),
        "NumPy": np.__version__,
        "BLAS": _blas(),
        "threads": str(rl.get_num_threads()),
        "devices": "cpu",
        "packages": {name: _version(name, extra) for name, extra in PACKAGES.items()},
        "cache": _describe(cache_home()),
        "data": _describe(os.environ.get("RUSHLIGHT_DATA")),
        "environment": {
            name: os.environ[name]
            for name in sorted(os.environ)
            if name in HONOURED or name in OURS or name.startswith("RUSHLIGHT_")
        },
    }


def _version(package: str, extra: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return f"absent (pip install 'rushlight[{extra}]')" if extra else "absent"


def _describe(folder: str | Path | None) -> str:
    """A folder and whether it can be used."""
    if folder is None:
        return "not set"
    path = Path(folder).expanduser()
    if not path.exists():
        return f"{path} (does not exist yet)"
    return f"{path} ({'writable' if os.access(path, os.W_OK) else 'read-only'})"


def _processor() -> str:
    """The processor's name; the architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def _blas() -> str:
    """The linear algebra library that NumPy was built with."""
    try:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (TypeError, KeyError):
        return "unknown"
    detail = str(found.get("openblas configuration", "")).strip()
    return " ".join(filter(None, [found.get("name"), found.get("version"), f"({detail})"]))

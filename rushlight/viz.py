"""Pictures of what was learnt; the one place that asks for matplotlib."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .core.errors import fail


def available() -> bool:
    """Whether matplotlib is installed; it is not loaded to find out.

    >>> import rushlight as torch
    >>> import importlib.util
    >>> torch.viz.available() == (importlib.util.find_spec("matplotlib") is not None)
    True
    """
    return importlib.util.find_spec("matplotlib") is not None


def _figure(width: float, height: float) -> Any:
    """A figure of its own, so that the user's pyplot and its backend stay as they are."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise fail(
            ModuleNotFoundError,
            "No module named 'matplotlib'",
            "pictures need it: pip install 'rushlight[viz]'",
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def save_curves(
    path: str | os.PathLike[str],
    panels: Mapping[str, Mapping[str, Sequence[float | None]]],
    x: Sequence[float],
    xlabel: str = "epoch",
    title: str = "",
) -> None:
    """Draw curves over `x` and write them to `path`, whose ending chooses the format.

    `panels` maps the name of each panel to its curves: name to values, None where there is none.
    Raises: ModuleNotFoundError without matplotlib.

    >>> import pathlib, tempfile
    >>> from rushlight import viz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     viz.save_curves(f"{folder}/loss.png", {"loss": {"train": [2.0, 1.5]}}, x=[1, 2])
    ...     pathlib.Path(folder, "loss.png").read_bytes()[1:4]
    b'PNG'
    """
    figure = _figure(4.5 * len(panels), 3.2)
    for axes, (ylabel, curves) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items()
    ):
        for name, values in curves.items():
            numbers = [float("nan") if value is None else value for value in values]
            axes.plot(x, numbers, label=name, marker="." if len(x) < 30 else None)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=120)

"""The training curve of a run, as a picture in its folder."""

from __future__ import annotations

from .. import viz
from .runfolder import CURVE, RunFolder


def draw(folder: RunFolder, title: str) -> bool:
    """Draw loss and accuracy over the epochs; False without matplotlib or a whole epoch."""
    lines = [line for line in folder.metrics() if "accuracy" in line]
    if not lines or not viz.available():
        return False
    panels = {
        "loss": {"training": [line["train_loss"] for line in lines],
                 "held out": [line["loss"] for line in lines]},
        "accuracy": {"training": [line["train_accuracy"] for line in lines],
                     "held out": [line["accuracy"] for line in lines]},
    }  # fmt: skip
    viz.save_curves(folder.path / CURVE, panels, [line["epoch"] for line in lines], title=title)
    return True

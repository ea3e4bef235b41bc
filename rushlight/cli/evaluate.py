"""`rushlight evaluate RUN`: reload what a run learnt and repeat its accuracy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import rushlight as rl

from . import data as pictures
from . import models
from .arguments import whole
from .fitting import Measure, measure
from .runfolder import CHECKPOINTS, RunFolder, read_checkpoint, to_json
from .terminal import Complaint, warn
from .train import accuracy_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `rushlight evaluate`."""
    add = parser.add_argument
    add("run", metavar="RUN", help="folder of a run, or one of its .pt files")
    add("--checkpoint", choices=tuple(CHECKPOINTS), help="which weights (default: last)")
    add("--data", metavar="NAME|DIR", help="other pictures than the run's own held-out part")
    add("--threads", type=whole(1), default=1, metavar="N", help="processor cores (default: 1)")
    add("--json", action="store_true", help="print one JSON object")


def main(options: argparse.Namespace) -> int:
    """Print the accuracy of a run's network on the held-out pictures."""
    rl.set_num_threads(options.threads)
    name, checkpoint = _checkpoint(options)
    config = checkpoint["config"]
    try:
        channels, height, width = config["shape"]
        shape = (int(channels), int(height), int(width))
        net = models.build(checkpoint["model"], shape, len(config["classes"]), config["dropout"])
        source, size, scale = options.data or config["data"], config["image_size"], config["scale"]
        resize = config.get("resize")
    except (KeyError, TypeError, ValueError) as error:
        raise Complaint(f"{options.run}: the checkpoint's config is not whole: {error}") from error
    net.load_state_dict(checkpoint["state_dict"])
    data = pictures.load(source, size, scale, resize)
    if data.shape != shape:
        raise Complaint(f"{source} has pictures of {data.shape}, the network wants {shape}")
    found = measure(net, data.held_out, models.criterion(checkpoint["model"]))
    _print(options, name, found)
    if options.data is None:
        _compare(options.run, checkpoint.get("epoch"), checkpoint.get("step"), found)
    return 0


def _checkpoint(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    path = Path(options.run)
    if path.is_file():
        return path.name, read_checkpoint(path)
    if not path.is_dir():
        raise Complaint(f"there is no run {options.run!r}", code=2)
    return RunFolder(path).load(options.checkpoint)


def _print(options: argparse.Namespace, name: str, found: Measure) -> None:
    if options.json:
        result = {"accuracy": found.accuracy, "loss": found.loss, "correct": found.correct}
        print(to_json({**result, "held_out": found.count, "checkpoint": name}))
    else:
        print(accuracy_line(found.correct, found.count, found.loss))


def _compare(run: str, epoch: Any, step: Any, found: Measure) -> None:
    """Say so if the run noted another number for the very same weights."""
    folder = RunFolder(run if Path(run).is_dir() else Path(run).parent)
    for line in folder.metrics():
        same = line.get("epoch") == epoch and line.get("step") == step and "accuracy" in line
        if same and line["correct"] != found.correct:
            warn(f"the run noted {line['accuracy']:.4f}: other data or another machine?")

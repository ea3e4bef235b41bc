"""`rushlight train`: train a network, show how it goes, keep what was learnt."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import platform
import sys
from typing import Any

import numpy as np

import rushlight as rl

from . import data as pictures
from . import models, plot, presets, progress
from .arguments import real, whole
from .fitting import Diverged, Fit
from .interrupt import Stopped, StopRequests
from .ranks import Ranks
from .runfolder import METRICS, RunFolder, to_json
from .terminal import BOLD, Complaint, complain, paint

COMMAND = "rushlight train"
GAINS = ("linear", "softmax", "mlp", "lenet")  # networks where it was measured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `rushlight train`."""
    add = parser.add_argument
    add("network", nargs="?", choices=models.MODELS, metavar="MODEL",
        help=f"the network (default: lenet): {', '.join(models.MODELS)}")  # fmt: skip
    add("--model", choices=models.MODELS, metavar="MODEL", help="the network, as an option")
    add("--data", default="digits", metavar="NAME|DIR",
        help="digits (in the package), mnist, fashion-mnist, or a folder: MNIST-format files, "
        "DIR/class/pictures, or DIR/train/class/... with DIR/test/class/...")  # fmt: skip
    add("--image-size", type=whole(4), metavar="N", help="make a folder's pictures N x N")
    add("--resize", type=whole(4), metavar="N", help="enlarge or shrink all pictures to N x N")
    _add_settings(add)
    add(
        "--threads",
        type=whole(1),
        default=1,
        metavar="N",
        help="processor cores to use (default: 1, small networks gain nothing from more)",
    )
    add("--compile", action=argparse.BooleanOptionalAction, default=None,
        help="run each step as one native program (default: where llvmlite is installed and the "
        f"network is known to gain from it: {', '.join(GAINS)})")  # fmt: skip
    add("--out", metavar="DIR", help="folder of the run (default: runs/MODEL-DATA-NUMBER)")
    add("--quiet", action="store_true", help="print the result only")
    add("--json", action="store_true", help="print JSON objects, one per line, on stdout")


def _add_settings(add: Any) -> None:
    """What decides how a network is trained; what is not given depends on network and data."""
    add("--epochs", type=whole(1), metavar="N",
        help="passes over the training part (default: 3 to 20, by network and data)")  # fmt: skip
    add("--batch-size", type=whole(1), metavar="N",
        help="pictures per step (default: 32 to 128, by network and data)")  # fmt: skip
    add("--lr", type=real(0, open_start=True), metavar="X",
        help="learning rate (default: 0.0001 to 0.005, by network and data)")  # fmt: skip
    add("--optimizer", choices=presets.OPTIMIZERS, help="default: adam; sgd has momentum 0.9")
    add("--schedule", choices=presets.SCHEDULES,
        help="course of the learning rate (default: cosine, down to zero)")  # fmt: skip
    add("--weight-decay", type=real(0), metavar="X", help="default: 0")
    add("--dropout", type=real(0, 1), metavar="P",
        help="for networks that have it; default: mlp 0, lenet 0 (on digits 0.4), vgg 0.5, "
        "...")  # fmt: skip
    add("--seed", type=whole(0), metavar="N", help="default: 0")


def main(options: argparse.Namespace) -> int:
    """Train, and print the accuracy on pictures that were held out."""
    settings = _settings(options)
    rl.set_num_threads(options.threads)
    data = pictures.load(settings.data, settings.image_size, resize=settings.resize)
    name = f"{settings.model}-{pictures.short_name(settings.data)}"
    ranks = Ranks()
    ranks.share(settings.batch_size)  # complains before anything is made
    if options.compile and ranks.size > 1:
        raise Complaint("--compile: steps of several processes are not compiled", code=2)
    compiled = ranks.size == 1 and _compiles(options.compile, settings.model)
    with StopRequests() as stop:
        folder = RunFolder.create(options.out, name) if ranks.rank == 0 else None
        ranks.join()
        fit = Fit(settings, data, stop, compiled, ranks)
        code = _follow(fit) if folder is None else Run(fit, folder, options).train()
        ranks.leave()
        return code


def _follow(fit: Fit) -> int:
    """Train in step with rank 0, which prints and writes."""
    settings = fit.settings
    try:
        for _ in fit.epochs(progress.Progress(0, settings.epochs)):
            pass
    except Stopped as stopped:
        return stopped.code
    except Diverged:
        return 1
    return 0


def _compiles(wanted: bool | None, model: str) -> bool:
    """Whether steps are compiled: as asked, else where it is known to pay."""
    if wanted is None:
        return model in GAINS and importlib.util.find_spec("llvmlite") is not None
    return wanted


def _settings(options: argparse.Namespace) -> presets.Settings:
    if options.network and options.model and options.network != options.model:
        raise Complaint(f"two networks: {options.network} and --model {options.model}", code=2)
    given = vars(options) | {"model": options.network or options.model or "lenet"}
    if given["dropout"] and given["model"] in models.UNDROPPED:
        raise Complaint(f"--dropout: {given['model']} has no layer to drop out from", code=2)
    pictures.check_name(given["data"])
    if given["image_size"] and given["data"] in pictures.NAMED:
        raise Complaint(
            f"--image-size is for folders; --resize {given['image_size']} changes {given['data']}",
            code=2,
        )
    return presets.choose(given)


class Run:
    """A training run: the loop's results go to the folder and to the user."""

    def __init__(self, fit: Fit, folder: RunFolder, options: argparse.Namespace) -> None:
        self.fit = fit
        self.folder = folder
        self.json = options.json
        self.quiet = options.quiet
        self.best: dict[str, Any] | None = None
        self.last: dict[str, Any] | None = None
        self.config = self._describe()

    def train(self) -> int:
        """Train to the end, to Ctrl-C or to a nan; the exit code."""
        settings, data = self.fit.settings, self.fit.data
        self.folder.write_config(self.config)
        self._save("last", 0)
        self._introduce()
        total = len(data.train) * settings.epochs
        self.show = progress.make(total, settings.epochs, self.quiet or self.json)
        try:
            for metrics in self.fit.epochs(self.show):
                self._keep(metrics)
        except Stopped as stopped:
            return self._end_stopped(stopped)
        except Diverged as diverged:
            return self._end_diverged(diverged)
        except MemoryError as error:
            error.add_note(
                f"a batch has {settings.batch_size} pictures: try a smaller --batch-size"
            )
            raise
        finally:
            self.show.close()
        return self._end()

    def _describe(self) -> dict[str, Any]:
        data = self.fit.data
        return self.fit.settings.as_dict() | {
            "shape": list(data.shape),
            "classes": data.classes,
            "scale": data.scale,
            "split": data.note,
            "examples": {"train": len(data.train), "held_out": len(data.held_out)},
            "parameters": sum(weight.numel() for weight in self.fit.net.parameters()),
            "threads": rl.get_num_threads(),
            "processes": self.fit.ranks.size,
            "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "versions": {
                "rushlight": rl.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }

    def _introduce(self) -> None:
        if self.quiet or self.json:
            return
        config = self.config
        examples = config["examples"]
        print(
            f"{config['model']} ({config['parameters']:,} parameters) on {config['data']}: "
            f"{examples['train']:,} pictures to train, {examples['held_out']:,} held out"
        )
        if config["split"]:
            print(f"note: {config['split']}")

    def _save(self, which: str, epoch: int) -> None:
        checkpoint = {
            "model": self.config["model"],
            "state_dict": self.fit.net.state_dict(),
            "config": self.config,
            "epoch": epoch,
            "step": self.fit.step,
        }
        self.folder.save(which, checkpoint)

    def _keep(self, metrics: dict[str, Any]) -> None:
        """Store an epoch's result, then show it."""
        self._save("last", metrics["epoch"])
        if self.best is None or metrics["accuracy"] > self.best["accuracy"]:
            self.best = metrics
            self._save("best", metrics["epoch"])
        self.last = metrics
        self.folder.add_metrics(metrics)
        if self.json:
            print(to_json(metrics), flush=True)
        elif not self.quiet:
            self.show.line(_line(metrics, self.fit.settings.epochs))

    def _end(self) -> int:
        assert self.last is not None and self.best is not None
        drawn = self._draw()
        result = {key: self.last[key] for key in ("accuracy", "loss", "correct", "held_out")}
        result |= {"best_accuracy": self.best["accuracy"], "best_epoch": self.best["epoch"]}
        if self.json:
            print(to_json({"result": result, "run": str(self.folder.path)}))
            return 0
        print(accuracy_line(result["correct"], result["held_out"], result["loss"]))
        if not self.quiet:
            if self.best is not self.last:
                print(f"best: {self.best['accuracy']:.4f} after epoch {self.best['epoch']}")
            print(f"kept in {self.folder.path}{' with the curve' if drawn else ''}")
        return 0

    def _draw(self) -> bool:
        settings = self.fit.settings
        return plot.draw(self.folder, f"{settings.model} on {settings.data}")

    def _end_stopped(self, stopped: Stopped) -> int:
        """Keep the weights as they are: after Ctrl-C nothing that was learnt is lost."""
        epoch = self.last["epoch"] if self.last else 0
        self._save("last", epoch)
        self.folder.add_metrics({"stopped": str(stopped), "epoch": epoch, "step": self.fit.step})
        self.show.close()
        text = f"stopped after step {self.fit.step}, {epoch} whole epochs; kept in"
        print(f"{COMMAND}: {text} {self.folder.path}", file=sys.stderr)
        return stopped.code

    def _end_diverged(self, diverged: Diverged) -> int:
        """Leave the last good weights alone and say what happened."""
        epoch = self.last["epoch"] if self.last else 0
        self.folder.add_metrics(
            {"diverged": diverged.cause, "loss": None, "epoch": epoch + 1, "step": diverged.step}
        )
        self.show.close()
        good = f"the weights after epoch {epoch}" if epoch else "the weights it began with"
        notes = [
            f"a smaller --lr may help; it was {self.fit.settings.lr:g}",
            f"last.pt in {self.folder.path} holds {good}; {METRICS} tells the rest",
        ]
        complain(COMMAND, f"stopped in epoch {epoch + 1}: {diverged}", notes)
        return 1


def _line(metrics: dict[str, Any], epochs: int) -> str:
    number = f"{metrics['epoch']:>{len(str(epochs))}}/{epochs}"
    loss, accuracy = metrics["train_loss"], metrics["train_accuracy"]
    return (
        f"epoch {number}  loss {loss:.4f}  accuracy {accuracy:.4f}"
        f"  held out: loss {metrics['loss']:.4f}  accuracy {metrics['accuracy']:.4f}"
        f"  {metrics['examples_per_second']:,.0f} examples/s"
    )


def accuracy_line(correct: int, count: int, loss: float) -> str:
    """The result, as `train` and `evaluate` print it."""
    number = paint(f"{correct / count:.4f}", BOLD, sys.stdout)
    return f"held-out accuracy {number} ({correct:,} of {count:,}), loss {loss:.4f}"

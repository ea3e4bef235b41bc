"""The folder of one run: what was asked, what was measured, what was learnt."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import rushlight as rl

from ..serialize.atomic import replacing
from .terminal import Complaint

CONFIG, METRICS, CURVE = "config.json", "metrics.jsonl", "curve.png"
CHECKPOINTS = {"best": "best.pt", "last": "last.pt"}


def plain(value: Any) -> Any:
    """The value as JSON can hold it: nan and infinities, which JSON has not, become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON."""
    return json.dumps(plain(value), allow_nan=False, ensure_ascii=False, indent=indent)


class RunFolder:
    """config.json, metrics.jsonl, best.pt, last.pt and curve.png of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, chosen: str | None, name: str) -> RunFolder:
        """Make the folder `chosen`, or the first free one of runs/NAME-1, runs/NAME-2, ...

        Raises: Complaint when `chosen` holds a run already: nothing is overwritten.
        """
        if chosen is not None:
            if (Path(chosen) / CONFIG).exists():
                raise Complaint(f"--out {chosen}: holds a run already; choose another", code=2)
            if Path(chosen).exists() and not Path(chosen).is_dir():
                raise Complaint(f"--out {chosen}: is a file, not a folder", code=2)
            Path(chosen).mkdir(parents=True, exist_ok=True)
            return cls(chosen)
        runs = Path("runs")
        runs.mkdir(exist_ok=True)
        taken = [path.name.rpartition("-")[2] for path in runs.glob(f"{name}-*")]
        number = max((int(end) for end in taken if end.isdecimal()), default=0) + 1
        while True:
            try:
                (runs / f"{name}-{number}").mkdir()
                return cls(runs / f"{name}-{number}")
            except FileExistsError:  # another run was quicker
                number += 1

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.json whole or not at all."""
        with replacing(self.path / CONFIG) as file:
            file.write((to_json(config, indent=2) + "\n").encode())

    def add_metrics(self, line: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl, so that it is there even if the power goes."""
        with open(self.path / METRICS, "a", encoding="utf-8") as file:
            file.write(to_json(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """All whole lines of metrics.jsonl."""
        path = self.path / METRICS
        if not path.exists():
            return []
        text = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n")[:-1] if line.strip()]

    def save(self, which: str, checkpoint: dict[str, Any]) -> None:
        """Write best.pt or last.pt whole or not at all."""
        rl.save(checkpoint, self.path / CHECKPOINTS[which])

    def load(self, which: str | None) -> tuple[str, dict[str, Any]]:
        """The checkpoint asked for; without a wish the last one, else the best.

        Raises: Complaint when there is none; CheckpointError when it is damaged.
        """
        for name in [which] if which else ["last", "best"]:
            path = self.path / CHECKPOINTS[name]
            if path.exists():
                return name, read_checkpoint(path)
        wanted = CHECKPOINTS[which] if which else "last.pt or best.pt"
        raise Complaint(f"{self.path} holds no {wanted}: is it the folder of a run?")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint with the parts that `rushlight train` writes."""
    found = rl.load(path)
    if not isinstance(found, dict) or not {"model", "state_dict", "config"} <= set(found):
        raise Complaint(f"{path} was not written by rushlight train")
    return found

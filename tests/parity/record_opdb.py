"""Record torch's answers to samples of its own op database (needs torch and expecttest).

Run from the repository root: `python -m tests.parity.record_opdb`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch

from tests.live.op_db import in_scope
from tests.live.op_db_bridge import Missing, _paths, find
from tests.live.op_db_checks import gradients, leaves, quick, samples, sys_rl
from tests.parity.opdb_code import encode

DATA = Path(__file__).parent / "data"
SMALL, EACH = 40, 3
AGREED = Path(__file__).parents[1] / "live" / "op_db_agreed.txt"
UNSTEADY = ("empty", "resize", "rand", "normal", "dropout", "bernoulli", "multinomial", "uniform",
            "svd", "eig", "lowrank", "geqrf", "cauchy", "exponential", "geometric", "rrelu",
            "fractional", "nn.functional.scaled", "as_strided", "bessel_")  # fmt: skip


def path_of(op: Any) -> str | None:
    """Where the function of an op is found in either framework."""
    try:
        if find(torch, op.name) is op.op:
            path = op.name
        else:
            path = _paths().get(id(op.op))
        if path is not None:
            find(sys_rl(), path)
    except Missing:
        return None
    return path


def rounded(value: Any) -> Any:
    """Tensors of short numbers, as new leaves."""
    if isinstance(value, torch.Tensor):
        short = value.detach().clone()
        if short.is_floating_point():
            short = torch.round(short, decimals=3)
        return short.requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)):
        return type(value)(map(rounded, value))
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def cases(op: Any, path: str) -> Any:
    count = 0
    for sample in samples(op, torch.float64, op.supports_autograd):
        args, kwargs = rounded([sample.input, *sample.args]), rounded(sample.kwargs)
        try:
            given = encode([args, kwargs])
            value = find(torch, path).__call__(*args, **kwargs)
            outputs = encode(leaves(value))
            _, found = gradients(value, (args, kwargs), torch.autograd.grad, torch.from_numpy)
        except Exception:
            continue
        size = sum(x.numel() for x in leaves([args, list(kwargs.values()), value])
                   if isinstance(x, torch.Tensor))  # fmt: skip
        if 0 < size <= SMALL and count < EACH:
            count += 1
            yield [path, *given, outputs, None if found is None else encode(list(found))]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    agreed = {line.split()[0] for line in AGREED.read_text().splitlines() if " value" in line}
    rows: list[Any] = []
    with quick():
        for name, op in in_scope().items():
            path = path_of(op) if name in agreed else None
            steady = not any(word in name for word in UNSTEADY)
            if path and steady and torch.float64 in op.supported_dtypes("cpu"):
                rows += cases(op, path)
    rows.sort(key=lambda row: row[0])
    middle = len(rows) // 2
    for part, some in (("first", rows[:middle]), ("second", rows[middle:])):
        target = DATA / f"opdb_{part}.json"
        target.write_text(
            "[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in some) + "\n]\n"
        )
        print(target.name, len(some), "cases,", target.stat().st_size, "bytes")

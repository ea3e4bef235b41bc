"""Record what torch prints for every point: `python -m tests.points.record_points`.

An answer that says the same as the one on record stays: addresses, last digits and warnings that
come once in a process differ from run to run.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.parity.program_runner import same_text
from tests.points.points import FOLDER, answers

ON_RECORD = FOLDER / "answers.json"
ADDRESS = re.compile("0x[0-9a-f]+")


def same(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether two answers differ in nothing that the tests compare."""
    before, now = (ADDRESS.sub("0x", one["out"]) for one in (old, new))
    return old["error"] == new["error"] and same_text(now, before)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    before = json.loads(ON_RECORD.read_text())
    found = answers(torch)
    kept = {name: before[name] for name in found.keys() & before if same(before[name], found[name])}
    ON_RECORD.write_text(json.dumps({**found, **kept}, indent=0, sort_keys=True) + "\n")
    print(f"{len(found)} points, {len(found) - len(kept)} new")

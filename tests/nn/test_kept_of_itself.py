"""Channels that lie innermost by a permutation stay there through convolutions, as in torch."""

from __future__ import annotations

import subprocess
import sys

# a process of its own: in this one a test may have taken a memory format before
CODE = """
import rushlight as torch
x = torch.ones(2, 16, 8).permute(0, 2, 1).view(2, 8, 4, 4)
for groups in (1, 8):
    y = torch.nn.Conv2d(8, 8, 3, padding=1, groups=groups)(x)
    print(y.stride(), y.flatten(2).transpose(1, 2).is_contiguous())
print(torch.nn.Conv2d(8, 4, 1)(x.contiguous()).stride())
"""


def test_a_permuted_picture() -> None:
    found = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    ).stdout
    assert found.splitlines() == ["(128, 1, 32, 8) True"] * 2 + ["(64, 16, 4, 1)"]

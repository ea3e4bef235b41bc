"""Layers learn to keep `channels_last` when the first such tensor is made."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import rushlight as torch
from rushlight.nn.functional import conv2d
relu, functional = torch.relu, torch.nn.functional
traced = torch.fx.symbolic_trace(lambda x: torch.relu(x + 1))
x = torch.randn(2, 3, 5, 5).to(memory_format=torch.channels_last)
assert torch.relu is relu and functional.conv2d is conv2d
made = relu(x), conv2d(x, torch.ones(4, 3, 2, 2)), torch.nn.Conv2d(3, 4, 2)(x), traced(x)
assert all(y.is_contiguous(memory_format=torch.channels_last) for y in made)
later = torch.fx.symbolic_trace(lambda x: torch.relu(x))
assert [node.target for node in later.graph.nodes][1] is relu
"""


def test_functions_stay_the_objects_that_programs_have_hold_of() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

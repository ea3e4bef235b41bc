"""Warnings that torch gives once in a process."""

from __future__ import annotations

import subprocess
import sys

import rushlight as torch

_PROGRAM = """
import warnings
import rushlight as torch
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", UserWarning)
    z = torch.tensor([1j])
    z.float(), z.double(), torch.zeros(1).copy_(z)
    w = torch.ones(1, requires_grad=True)
    for _ in range(2):
        (w * w).sum().backward(create_graph=True)
    torch.set_warn_always(True)
    z.float()
    (w * w).sum().backward(create_graph=True)
print(*(str(one.message).split()[0] + one.filename[-8:] for one in caught), sep="\\n")
"""


def test_once_in_a_process_and_then_when_asked_to() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert done.stdout.split() == ["Casting<string>", "Using<string>"] * 2, done.stderr


def test_the_wish_is_told() -> None:
    assert not torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        assert torch.is_warn_always_enabled()
    finally:
        torch.set_warn_always(False)

"""What torch has and rushlight leaves out is refused with a sentence, never silently replaced."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl

MAKERS: dict[str, Any] = {
    "zeros": lambda **more: rl.zeros(2, **more), "ones": lambda **more: rl.ones(2, **more),
    "empty": lambda **more: rl.empty(2, **more), "full": lambda **more: rl.full((2,), 1.0, **more),
    "zeros_like": lambda **more: rl.zeros_like(rl.ones(2), **more),
    "arange": lambda **more: rl.arange(3, **more), "eye": lambda **more: rl.eye(2, **more),
    "linspace": lambda **more: rl.linspace(0, 1, 2, **more),
    "rand": lambda **more: rl.rand(2, **more), "randn": lambda **more: rl.randn(2, **more),
    "randint": lambda **more: rl.randint(3, (2,), **more),
    "randperm": lambda **more: rl.randperm(3, **more),
    "rand_like": lambda **more: rl.rand_like(rl.ones(2), **more),
    "normal": lambda **more: rl.normal(0, 1, (2,), **more),
    "hann_window": lambda **more: rl.hann_window(3, **more),
    "range": lambda **more: rl.range(0, 2, **more),
    "empty_strided": lambda **more: rl.empty_strided((2,), (1,), **more),
    "tril_indices": lambda **more: rl.tril_indices(2, 2, **more),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:torch.range is deprecated")
@pytest.mark.parametrize("name", MAKERS)
def test_layouts_other_than_strided(name: str) -> None:
    assert MAKERS[name](layout=rl.strided).layout is rl.strided
    for layout in (rl.sparse_coo, rl.sparse_csr):
        if name in ("zeros", "empty", "zeros_like"):  # nothing is kept
            given = rl.ones(2, 2) if name == "zeros_like" else (2, 2)
            made = getattr(rl, name)(given, layout=layout)
            assert made.layout is layout and made._nnz() == 0
            continue
        with pytest.raises((NotImplementedError, RuntimeError), match="layout"):
            MAKERS[name](layout=layout)

"""torch.compiler: what traced code may ask and tell."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import _dynamo, compiler


def test_code_knows_whether_it_is_traced() -> None:
    compiled = torch.compile(lambda x: x * 2 if compiler.is_compiling() else x)
    assert compiled(torch.ones(1)).item() == 2
    assert not compiler.is_compiling() and not _dynamo.is_compiling()


def test_a_disabled_function_runs_eagerly_in_a_compiled_one() -> None:
    @compiler.disable
    def inner(x):
        return x if compiler.is_compiling() else x + 1

    compiled = torch.compile(lambda x: inner(x * 2) * 3)
    with pytest.warns(UserWarning, match="is not to be compiled"):
        assert compiled(torch.ones(1)).item() == 9
    assert compiled(torch.ones(1)).item() == 9

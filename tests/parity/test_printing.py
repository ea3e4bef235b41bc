"""format_tensor against torch's recorded text, and what printing may cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushlight.core import printing
from tests.parity.printing_cases import numpy_dtype, rushlight_text

RECORDED = json.loads((Path(__file__).parent / "data" / "printing.json").read_text())


def name_case(case: dict[str, Any]) -> str:
    return f"{case['dtype']}-{case['shape']}"


@pytest.mark.parametrize("case", RECORDED["cases"], ids=name_case)
def test_text_is_torchs(case: dict[str, Any]) -> None:
    assert rushlight_text(case) == case["text"]


@pytest.mark.parametrize("case", RECORDED["sparse"], ids=lambda case: f"{len(case['values'])}-set")
def test_parts_of_a_sparse_tensor(case: dict[str, Any]) -> None:
    """The two helpers that other layouts build on, used as they are meant to be."""
    indent, parts = len("tensor("), []
    indices = np.array(case["indices"], np.int64).reshape(2, -1)
    for name, array in (("indices", indices), ("values", np.array(case["values"], np.float32))):
        opening = f"{name}=tensor("
        text = printing.format_values(array, indent + len(opening))
        size = "" if array.size else f", size={array.shape}"
        parts.append(f"{opening}{text}{size})")
    text = "tensor(" + f",\n{' ' * indent}".join(parts)
    size = tuple(case["shape"])
    suffixes = [f"size={size}", f"nnz={len(case['values'])}", "layout=torch.sparse_coo"]
    assert printing.add_suffixes(text, suffixes, indent, force_newline=True) == case["text"]


@pytest.mark.parametrize(
    "case", RECORDED["errors"], ids=lambda case: str(case["recipe"]["options"])
)
def test_unusable_options_fail_as_in_torch(case: dict[str, Any]) -> None:
    before = printing.get_printoptions()
    with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
        rushlight_text(case["recipe"])
    assert type(caught.value).__name__ == case["type"]
    assert str(caught.value) == case["text"]
    assert printing.get_printoptions() == before


def test_option_changes_add_up_as_in_torch() -> None:
    with printing.printoptions():
        for change in RECORDED["changes"]:
            printing.set_printoptions(**change["call"])
            assert printing.get_printoptions() == change["options"]
    assert printing.get_printoptions()["precision"] == 4


def test_printoptions_come_back_after_an_error_and_nest() -> None:
    with printing.printoptions(sci_mode=True):
        outer = printing.get_printoptions()
        with pytest.raises(KeyError), printing.printoptions(precision=1, profile="full"):
            raise KeyError
        assert printing.get_printoptions() == outer
    assert printing.get_printoptions()["sci_mode"] is None


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int64", "bool", "bfloat16"])
@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6), (3, 10**11), (10**5, 10**5, 100)])
def test_only_what_is_shown_is_read(dtype: str, shape: tuple[int, ...]) -> None:
    """A trillion elements over one stored number: touching them all would never end."""
    array = np.broadcast_to(np.ones((), numpy_dtype(dtype)), shape)
    text = printing.format_tensor(array)
    assert "..." in text
    assert len(text) < 5000


def test_strange_nans_and_strict_numpy_do_not_disturb() -> None:
    bits = np.array([0x7F800001, 0xFF800001, 0x7FC00000, 1, 0x3F800000], np.uint32)
    with np.errstate(all="raise"):
        text = printing.format_tensor(bits.view(np.float32))
    assert text == "tensor([       nan,        nan,        nan, 1.4013e-45, 1.0000e+00])"


def test_the_array_is_left_alone() -> None:
    array = np.arange(2000.0).reshape(40, 50).T
    array.flags.writeable = False
    before = array.copy()
    printing.format_tensor(array)
    np.testing.assert_array_equal(array, before)

"""Rows 63 to 70 of the table of faults, as a user meets them who hands columns to `tensor`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import tabular


def table(text: str) -> tabular.Table:
    return tabular.read_csv(io.StringIO(text))


MAKERS: dict[str, Callable[[Any], Any]] = {
    "tensor": rl.tensor, "as_tensor": rl.as_tensor, "asarray": rl.asarray, "numpy": np.asarray,
}  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_63_a_word_among_numbers_is_named_by_line_for_columns_and_tables(make: str) -> None:
    ages = table("age,h\n1,2\n2,3\nx,4\n4,5\n")
    for given in (ages["age"], ages):
        with pytest.raises(tabular.TableError, match=r"age: line 4 'x' is not a number \(1 of 4\)"):
            MAKERS[make](given)
    assert np.asarray(ages["age"], object).tolist() == ["1", "2", "x", "4"]


@pytest.mark.parametrize("make", MAKERS)
def test_64_missing_values_demand_a_choice_of_columns_too(make: str) -> None:
    gaps = table("age,h\n1,2\n,3\n3,4\n")
    for given in (gaps["age"], gaps):
        text = r"age: 1 of 3 values are missing \(first at line 3\)"
        with pytest.raises(tabular.TableError, match=text) as caught:
            MAKERS[make](given)
        assert "drop_missing()" in caught.value.__notes__[0]
    assert MAKERS[make](gaps.fill(0)["age"]).tolist() == [1, 0, 3]
    assert np.asarray(gaps["age"], object).tolist() == [1, None, 3]


def test_tables_and_columns_of_numbers_become_tensors() -> None:
    whole, mixed = table("a,b\n1,2\n3,4\n"), table("a,b\n1,2.5\n3,4\n")
    assert rl.tensor(whole).tolist() == [[1, 2], [3, 4]] and rl.tensor(whole).dtype is rl.int64
    assert rl.tensor(mixed).tolist() == [[1, 2.5], [3, 4]]
    assert rl.tensor(mixed, dtype=rl.float32).dtype is rl.float32
    assert rl.tensor(whole["a"]).tolist() == [1, 3]


ID = 2**53 + 1


@pytest.mark.parametrize("beside", ["1.5", "2"])
def test_69_ids_are_not_rounded_silently_on_their_way_to_a_tensor(beside: str) -> None:
    ids = table(f"id,v\n7,1\n{ID},{beside}\n")
    text = f"id: line 3 {ID} becomes {2**53}: real numbers are exact only up to {2**53}"
    with pytest.warns(tabular.PrecisionWarning, match=text):
        ids.to_tensor()
    with pytest.warns(tabular.PrecisionWarning, match=text):
        ids.to_numpy(dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ids["id"].tolist() == rl.tensor(ids["id"]).tolist() == [7, ID]
        assert ids.to_tensor("id", dtype=rl.int64).tolist() == [[7], [ID]]
        assert table("id,v\n7,1.5\n16777217,2\n").to_tensor().shape == (2, 2)
        assert table(f"id,v\n{2**60},1.5\n").to_numpy(dtype=np.float64)[0, 0] == 2**60


def test_69_an_id_missing_beside_large_ids_is_no_reason_to_round_them() -> None:
    ids = table(f"id,v\n{ID},1\n,2\n")
    with pytest.raises(tabular.TableError, match=r"id: 1 of 2 values are missing"):
        rl.tensor(ids["id"])
    assert rl.tensor(ids.fill(0)["id"]).tolist() == [ID, 0]

"""Names that libraries built on torch take from its inner modules."""

from __future__ import annotations

import copy

import pytest

import rushlight as rl
from rushlight._tensor_str import PRINT_OPTS, _tensor_str
from rushlight.core.printing import printoptions


def test_operators_are_called_and_stay_the_same() -> None:
    add = rl.ops.aten.add.Tensor
    assert add is rl.ops.aten.add.Tensor
    assert add.overloadpacket is add._overloadpacket is rl.ops.aten.add
    table = copy.deepcopy({add: 1, rl.ops.aten.mm: 2})  # as counters of operators copy theirs
    assert (table[add], table[rl.ops.aten.mm]) == (1, 2)
    assert (str(add), add.name()) == ("aten.add.Tensor", "aten::add.Tensor")
    assert repr(add) == "<OpOverload(op='aten.add', overload='Tensor')>"
    x = rl.arange(6.0).reshape(2, 3)
    assert rl.equal(add(x, x), 2 * x)
    assert rl.equal(rl.ops.aten.slice.Tensor(x, 1, 1, None, 2), x[:, 1::2])
    assert rl.equal(rl.ops.aten.index.Tensor(x, [None, rl.tensor([2, 0])]), x[:, [2, 0]])
    assert rl.ops.aten._to_copy.default(x, dtype=rl.int64).dtype is rl.int64
    with pytest.raises(AttributeError, match="'_OpNamespace' 'aten' object has no attribute 'no'"):
        _ = rl.ops.aten.no
    with pytest.raises(NotImplementedError, match="aten::_inner"):
        rl.ops.aten._inner.default(x)


def test_print_options_as_attributes() -> None:
    assert (PRINT_OPTS.precision, PRINT_OPTS.linewidth) == (4, 80)
    with printoptions():
        PRINT_OPTS.precision = 2
        assert _tensor_str(rl.tensor([1.239]), 0) == "[1.24]"
    with pytest.raises(AttributeError):
        _ = PRINT_OPTS.missing


def test_places_of_rows_both_ways() -> None:
    rows, columns = rl.tensor([0, 0, 2]), rl.tensor([1, 3, 0])
    begins = rl._convert_indices_from_coo_to_csr(rows, 4)
    assert begins.tolist() == [0, 2, 2, 3, 3]
    both = rl._convert_indices_from_csr_to_coo(begins, columns)
    assert both.tolist() == [[0, 0, 2], [1, 3, 0]]


def test_what_is_not_there_says_no() -> None:
    assert not rl.onnx.is_in_onnx_export()
    assert not rl.distributed.rpc.is_available()
    with pytest.raises(ValueError, match="process group"):
        rl.distributed.rpc.init_rpc("worker")


def test_functions_given_before_their_operator_is_made() -> None:
    """An extension's function may be registered by a module that is imported first."""

    @rl.library.impl("tests_of_order::thrice", ["CUDA"])
    def elsewhere(x: rl.Tensor) -> rl.Tensor:
        raise AssertionError

    @rl.library.impl("tests_of_order::thrice", "default")
    def thrice(x: rl.Tensor) -> rl.Tensor:
        return 3 * x

    assert not hasattr(rl.ops, "tests_of_order")
    rl.library.define("tests_of_order::thrice", "(Tensor x) -> Tensor")
    assert rl.ops.tests_of_order.thrice(rl.ones(2)).tolist() == [3, 3]


def test_libraries_for_torchs_runtime_are_refused_as_missing_ones() -> None:
    with pytest.raises(OSError, match=r"^Could not load this library: lib\.so$"):
        rl.ops.load_library("lib.so")

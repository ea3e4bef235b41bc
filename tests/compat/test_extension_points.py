"""Small names that libraries on torch import, and that say or do something true."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import namedtuple
from typing import Any

import pytest

import rushlight as torch
from rushlight.compat import install, uninstall

Pair = namedtuple("Pair", "a b")


def test_the_alias_goes_by_torchs_name() -> None:
    try:
        install()
        import torch as found

        assert found is torch
        assert found.__name__ == "torch"
        assert found.torch is torch
        with pytest.raises(AttributeError, match="module 'torch' has no attribute 'linaer'"):
            _ = found.linaer
        from torch.nn import functional

        assert functional is torch.nn.functional
    finally:
        uninstall()
    assert torch.__name__ == "rushlight"


def test_records_of_a_file() -> None:
    file = io.BytesIO()
    weight = torch.arange(6.0)
    torch.save({"weight": weight}, file)
    reader = torch.PyTorchFileReader(file)
    assert reader.has_record("data.pkl")
    assert reader.get_record("data.pkl")[:1] == b"\x80"
    assert {"data.pkl", "data/0", "version"} <= set(reader.get_all_records())
    assert torch.equal(reader.get_storage_from_record("data/0", 6, torch.float32), weight)
    with pytest.raises(RuntimeError, match="failed locating file nothing"):
        reader.get_record("nothing")


def test_nodes_of_trees() -> None:
    from rushlight.utils import _pytree as trees

    def parts(tree: Any) -> Any:
        kind = trees._get_node_type(tree)
        if kind not in trees.SUPPORTED_NODES:
            return [tree], trees.LeafSpec()
        below, context = trees.SUPPORTED_NODES[kind].flatten_fn(tree)
        found = [parts(one) for one in below]
        leaves = [leaf for some, _ in found for leaf in some]
        return leaves, trees.TreeSpec(kind, context, [spec for _, spec in found])

    tree = {"a": [1, (2, 3)], "b": Pair(4, [5])}
    leaves, spec = parts(tree)
    assert leaves == [1, 2, 3, 4, 5]
    assert trees.tree_unflatten([one * 2 for one in leaves], spec) == {
        "a": [2, (4, 6)], "b": Pair(8, [10]),
    }  # fmt: skip
    assert isinstance(trees.tree_structure(3), trees.LeafSpec)


def test_the_state_of_a_scaled_step() -> None:
    from rushlight.amp.grad_scaler import OptState

    weight = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(weight.sum() * float("inf")).backward()
    state = scaler._per_optimizer_states[id(optimizer)]
    assert state["stage"] is OptState.READY
    scaler.unscale_(optimizer)
    assert state["stage"] is OptState.UNSCALED
    assert [one.item() for one in state["found_inf_per_device"].values()] == [1.0]
    assert scaler.step(optimizer) is None
    assert state["stage"] is OptState.STEPPED
    assert weight.item() == 1.0


def test_compiled_modules_are_known_by_their_class() -> None:
    from rushlight._dynamo import OptimizedModule

    assert isinstance(torch.compile(torch.nn.Linear(2, 2)), OptimizedModule)
    assert (
        isinstance(torch.ones(1), torch._C._TensorMeta("Any", (torch._C.TensorBase,), {})) is False
    )


def test_what_a_call_of_to_asks_for() -> None:
    parse = torch._C._nn._parse_to
    assert parse(torch.float64) == (None, torch.float64, False, None)
    found = parse("cpu", torch.float16, non_blocking=True, memory_format=torch.channels_last)
    assert found == (torch.device("cpu"), torch.float16, True, torch.channels_last)
    with pytest.raises(RuntimeError, match="CUDA"), torch.autograd.profiler.emit_nvtx():
        pass


def _doubled(value: int) -> int:
    return 2 * value


class _Calls:
    def __reduce__(self) -> Any:
        return _doubled, (21,)


def test_functions_that_files_may_call() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": _Calls()}, protocol=2))
        archive.writestr("archive/version", "3\n")
    for allowed in (False, True):
        file.seek(0)
        if not allowed:
            with pytest.raises(pickle.UnpicklingError):
                torch.load(file)
            continue
        with torch.serialization.safe_globals([_doubled]):
            assert torch.load(file) == {"a": 42}
    with pytest.raises(TypeError, match="only classes and functions"):
        torch.serialization.add_safe_globals([3])


def test_names_of_annotations() -> None:
    assert isinstance(1.5, torch.types.Number)
    assert not isinstance(3, torch.SymInt)
    with pytest.raises(TypeError, match="no symbolic numbers"):
        torch.SymInt(3)
    asked = []
    torch.func.grad(lambda x: (asked.append(torch._C._are_functorch_transforms_active()), x)[1])(
        torch.ones(())
    )
    assert asked == [True]
    assert torch._C._are_functorch_transforms_active() is False


def test_assertions_about_values() -> None:
    assert torch._assert_async(torch.tensor(2.0)) is None
    with pytest.raises(RuntimeError, match=r"^out of range$"):
        torch._assert_async(torch.tensor(False), "out of range")
    with pytest.raises(RuntimeError, match="single nonzero value, but got zero"):
        torch._assert_async(torch.tensor(0))


def test_parameters_of_ones_own_take_what_they_like() -> None:
    class Named(torch.nn.Parameter):
        def __new__(cls, data: Any, name: str = "", requires_grad: bool = True) -> Any:
            made = super().__new__(cls, data, requires_grad)
            made.label = name
            return made

    weight = Named(torch.ones(2), name="w")
    assert (type(weight), weight.label, weight.requires_grad) == (Named, "w", True)
    parts = [torch.ones(2), torch.zeros(1, 2)]
    from rushlight._utils import _flatten_dense_tensors, _unflatten_dense_tensors

    assert [x.shape for x in _unflatten_dense_tensors(_flatten_dense_tensors(parts), parts)] == [
        (2,), (1, 2),
    ]  # fmt: skip

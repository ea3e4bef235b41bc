"""Modules of torch that only libraries import; the expected values are torch 2.13's answers."""

from __future__ import annotations

import collections
import importlib
from typing import Any

import pytest

import rushlight as torch
import rushlight.compat


def module(name: str) -> Any:
    """torch's module of that name, as a library gets it."""
    rushlight.compat.install()
    try:
        return importlib.import_module(name)
    finally:
        rushlight.compat.uninstall()


def test_tuples_of_sizes() -> None:
    utils = module("torch.nn.modules.utils")
    assert utils._ntuple(3)(2) == (2, 2, 2)
    assert utils._ntuple(2)([1, 2, 3]) == (1, 2, 3)
    assert utils._ntuple(2)("ab") == ("a", "b")
    assert utils._ntuple(2, "n").__name__ == "n" and utils._ntuple(3).__name__ == "parse"
    assert utils._pair.__name__ == "_pair" and utils._quadruple(0) == (0, 0, 0, 0)
    assert utils._reverse_repeat_tuple((1, 2, 3), 2) == (3, 3, 2, 2, 1, 1)


def test_lists_of_tensors_are_grouped_by_the_first() -> None:
    utils = module("torch.utils._foreach_utils")
    one, two, three = torch.ones(1), torch.ones(1, dtype=torch.float64), torch.ones(2)
    found = utils._group_tensors_by_device_and_dtype([[one, two, three], [two, None, None]], True)
    cpu = torch.device("cpu")
    assert set(found) == {(cpu, torch.float32), (cpu, torch.float64)}
    (firsts, seconds), places = found[cpu, torch.float32]
    assert firsts[0] is one and firsts[1] is three and places == [0, 2]
    assert seconds[0] is two and seconds[1] is None
    assert utils._group_tensors_by_device_and_dtype([[one], []]) == {
        (cpu, torch.float32): ([[one], []], [])
    }
    for lists in ([], [[one], [one, one]], [[None]]):
        with pytest.raises(RuntimeError, match=r"^(Expected|Tensors of the first list)"):
            utils._group_tensors_by_device_and_dtype(lists)
    assert utils._has_foreach_support([one], cpu)
    assert not utils._has_foreach_support([torch.nn.Parameter(one)], cpu)


def test_extensions_in_cpp_are_refused_so_that_libraries_fall_back() -> None:
    extension = module("torch.utils.cpp_extension")
    assert extension.CUDA_HOME is None and extension.IS_HIP_EXTENSION is False
    with pytest.raises(RuntimeError, match="extension 'fast'"):
        extension.load(name="fast", sources=["a.cpp"], verbose=True)
    with pytest.raises(RuntimeError, match="extension 'fast'"):
        extension.load_inline("fast", "int f();")


def test_gradients_across_processes_are_said_to_be_missing() -> None:
    autograd = module("torch.distributed.autograd")
    assert autograd.is_available() is False
    with pytest.raises(RuntimeError, match=r"^Need to initialize distributed autograd"):
        autograd.context()


def test_versions_and_the_types_of_loaders_arguments() -> None:
    assert module("torchvision").__version__.startswith("0.28")
    loaders = module("torch.utils.data.dataloader")
    assert loaders._worker_init_fn_t.__args__ == (int, None)
    assert loaders._collate_fn_t.__args__[1] is Any


def test_names_that_libraries_import_and_seldom_use() -> None:
    devices = module("torch.utils._device")
    with devices.DeviceContext("meta"):
        assert torch.zeros(2).is_meta
    assert not torch.zeros(2).is_meta
    assert devices.device_decorator(torch.device("meta"), lambda: torch.zeros(2))().is_meta
    with module("torch._subclasses.fake_tensor").unset_fake_temporarily() as nothing:
        assert nothing is None
    assert not isinstance(torch.ones(1), module("torch._C").Value)
    bar = pytest.importorskip("tqdm").tqdm
    assert module("torch.hub").tqdm is bar


def test_the_blocks_of_transformers_layers_need_no_word_on_causes() -> None:
    """Subclasses that write their own `forward` call them so."""
    x, memory = torch.randn(3, 1, 4), torch.randn(2, 1, 4)
    layer = torch.nn.TransformerEncoderLayer(4, 2, 8).eval()
    same = layer.norm1(x + layer._sa_block(x, None, None))
    same = layer.norm2(same + layer._ff_block(same))
    assert torch.allclose(same, layer(x), atol=1e-6)
    decoder = torch.nn.TransformerDecoderLayer(4, 2, 8).eval()
    same = decoder.norm1(x + decoder._sa_block(x, None, None))
    cross = decoder._mha_block(same, mem=memory, attn_mask=None, key_padding_mask=None)
    same = decoder.norm2(same + cross)
    same = decoder.norm3(same + decoder._ff_block(same))
    assert torch.allclose(same, decoder(x, memory), atol=1e-6)


def test_the_old_words_for_reductions() -> None:
    """Losses of libraries' own ask for them; the answers are torch 2.13's."""
    old = module("torch.nn")._reduction
    pairs = [(average, each) for average in (None, True, False) for each in (None, True, False)]
    words = [old.legacy_get_string(*pair, emit_warning=False) for pair in pairs]
    assert " ".join(words) == "mean mean none mean mean none sum sum none"
    assert [old.legacy_get_enum(*pair, False) for pair in pairs] == [1, 1, 0, 1, 1, 0, 2, 2, 0]
    with pytest.warns(UserWarning, match=r"please use reduction='sum' instead\.$"):
        assert old.legacy_get_string(False, True) == "sum"
    with pytest.warns(UserWarning, match=r"^reduction='elementwise_mean' is deprecated"):
        assert old.get_enum("elementwise_mean") == 1
    with pytest.raises(ValueError, match=r"^no is not a valid value for reduction$"):
        old.get_enum("no")


def test_vmap_by_its_older_name() -> None:
    """Minimisers take Hessians so, by gradients of gradients for all directions at once."""
    mapped = module("torch._vmap_internals")._vmap
    x, w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True), torch.ones(3, requires_grad=True)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)

    def row(v: torch.Tensor) -> Any:
        return torch.autograd.grad(g, (x, w), v, retain_graph=True, allow_unused=True)

    hessian, nothing = mapped(row, allow_none_pass_through=True)(torch.eye(3))
    assert torch.equal(hessian, torch.diag(torch.tensor([6.0, 12.0, 18.0])))
    assert nothing is None
    assert torch.equal(mapped(lambda v: row(v)[0])(torch.eye(3)), hessian)
    assert mapped(lambda v: None, allow_none_pass_through=True)(torch.eye(2)) is None
    with pytest.raises(ValueError, match="must only return Tensors, got type <class 'NoneType'>"):
        mapped(lambda v: row(v)[1])(torch.eye(3))


def test_the_module_of_tensorboards_writer() -> None:
    rushlight.compat.install()
    try:
        writer = importlib.import_module("torch.utils.tensorboard.writer")
        assert writer is importlib.import_module("torch.utils.tensorboard")
    finally:
        rushlight.compat.uninstall()


def test_whether_mixed_precision_is_worth_asking_for() -> None:
    amp = module("torch.cuda.amp")
    assert amp.common.amp_definitely_not_available() is not torch.cuda.is_available()
    assert module("torch.cuda.amp.grad_scaler").GradScaler is amp.GradScaler


def test_checkpoints_of_inputs_without_gradients_are_warned_of() -> None:
    check = module("torch.utils.checkpoint").check_backward_validity
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        check([torch.ones(1), 3])
    check([torch.ones(1), torch.ones(1, requires_grad=True)])  # a warning is an error here


def test_unit_vectors_of_several_tensors() -> None:
    basis = module("torch.autograd.functional")._construct_standard_basis_for
    parts = basis((torch.ones(2), torch.ones(1, dtype=torch.float64), torch.ones(3)), (2, 1, 3))
    assert [part.dtype for part in parts] == [torch.float32, torch.float64, torch.float32]
    assert torch.equal(torch.cat(parts, 1), torch.eye(6, dtype=torch.float64))


def test_tuples_around_jacobians() -> None:
    steps = module("torch.autograd.functional")
    x = torch.ones(1, requires_grad=True)
    assert steps._as_tuple([x]) == (x,) and steps._as_tuple(x) == (x,)
    assert steps._as_tuple(x, "inputs", "f") == (False, (x,))
    assert steps._as_tuple((x,), "inputs", "f") == (True, (x,))
    with pytest.raises(TypeError, match=r"^The inputs given to f must .* the given inputs has ty"):
        steps._as_tuple(3, "inputs", "f")
    with pytest.raises(TypeError, match=r"^The inputs given to f must .* the value at index 1 has"):
        steps._as_tuple((x, 3), "inputs", "f")
    nested = (("a",), ("b",))
    unpacked = [steps._tuple_postprocess(nested, (i, j)) for i in (True, False) for j in (1, 0)]
    assert unpacked == [nested, ("a", "b"), ("a",), "a"]
    assert steps._tuple_postprocess(("a",), False) == "a"
    assert steps._grad_postprocess(((x,), (x,)), False)[1][0].requires_grad is False
    assert steps._grad_postprocess((x,), True)[0] is x


def test_batches_are_pinned_in_the_containers_they_come_in() -> None:
    """The answers are torch 2.13's."""

    class Batch:
        def pin_memory(self) -> str:
            return "pinned"

    class Named(dict[str, Any]):
        tag = "kept"

    pin, one = module("torch.utils.data._utils.pin_memory").pin_memory, Batch()
    pair = collections.namedtuple("pair", "a b")
    for given, pinned in (
        ({"x": [one, 3], "n": "first"}, {"x": ["pinned", 3], "n": "first"}),
        ((one, 2), ("pinned", 2)), (pair(one, 1), pair("pinned", 1)),
        (collections.deque([one]), collections.deque(["pinned"])),
        (Named(x=one), Named(x="pinned")), (b"q", b"q"), ({1}, {1}), (None, None),
    ):  # fmt: skip
        found = pin(given)
        assert (type(found), found) == (type(pinned), pinned)
    assert pin(range(3)) == [0, 1, 2]
    assert module("torch._C")._is_tracing() is False
    assert module("torch._C")._jit_set_profiling_mode(False) is True


def test_the_step_between_two_slopes() -> None:
    least = module("torch.optim.lbfgs")._cubic_interpolate
    assert least(0.0, 1.0, torch.tensor(-2.0), 2.0, 1.0, torch.tensor(2.0)).item() == 1.0
    between = least(2.0, 1.5, torch.tensor(0.7), 0.5, 2.0, torch.tensor(-1.0))
    assert between.item() == pytest.approx(1.5785, abs=1e-4)
    slopes = torch.tensor(-1.0), torch.tensor(5.0)
    assert least(0.0, 1.0, slopes[0], 1.0, 3.0, slopes[1], bounds=(0.5, 0.9)) == 0.5
    assert least(0.0, 1.0, slopes[0], 1.0, -5.0, slopes[0]) == 1.0


def test_what_libraries_ask_of_scripting_and_of_the_older_exporter() -> None:
    state, helper = module("torch.jit._state"), module("torch.onnx.symbolic_helper")
    assert bool(state._enabled) and state._enabled.enabled is True and not state._script_classes
    assert isinstance(helper.GLOBALS.export_onnx_opset_version, int)

    def symbolic(g: Any, x: Any, dim: int) -> Any:
        return g.op("Sum", x, axis_i=dim)

    assert helper.parse_args("v", "i")(symbolic) is symbolic

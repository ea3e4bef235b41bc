"""torch.cuda, torch.backends, torch.jit, compile, threads, settings, and unknown names."""

from __future__ import annotations

import importlib
import io
import warnings

import pytest

import rushlight as torch
from rushlight.core.names import nearest


def test_there_is_no_gpu_and_asking_is_no_error() -> None:
    assert torch.cuda.is_available() is False and torch.cuda.device_count() == 0
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.manual_seed_all(3)
    assert torch.cuda.memory_allocated() == 0 and torch.cuda.get_rng_state_all() == []
    with torch.cuda.stream(None):
        pass
    assert torch.version.cuda is None
    for ask in (torch.cuda.current_device, torch.cuda.init, torch.cuda.get_device_properties):
        with pytest.raises(
            AssertionError, match=r"^Torch not compiled with CUDA enabled"
        ) as refused:
            ask()
        assert any("cpu" in note for note in refused.value.__notes__)
    for kind in (torch.cuda.Stream, torch.cuda.Event):
        with pytest.raises(RuntimeError):
            kind()


def test_flags_of_backends_can_be_set() -> None:
    cudnn = importlib.import_module("rushlight.backends.cudnn")
    assert cudnn is torch.backends.cudnn and cudnn.benchmark is False
    with cudnn.flags(enabled=False, benchmark=True, deterministic=True):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (False, True, True)
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, False, False)
    torch.backends.cuda.matmul.allow_tf32 = True
    assert torch.backends.cuda.matmul.allow_tf32 is True
    torch.backends.cuda.matmul.allow_tf32 = False
    assert not torch.backends.mps.is_available() and not torch.backends.cuda.is_built()


class Doubler(torch.nn.Module):
    """A module of a user's, with a child."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)

    def forward(self, x):
        return 2 * self.inner(x)


def test_script_shares_weights_and_can_be_saved() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    for module, x in ((net, torch.randn(5, 3)), (Doubler(), torch.randn(5, 2))):
        scripted = torch.jit.script(module)
        assert (
            isinstance(scripted, torch.jit.ScriptModule) and torch.jit.script(scripted) is scripted
        )
        assert isinstance(scripted, type(module))
        assert scripted.original_name == type(module).__name__
        assert torch.equal(scripted(x), module(x))
        assert scripted.state_dict().keys() == module.state_dict().keys()
        assert all(a is b for a, b in zip(scripted.parameters(), module.parameters()))
        stream = io.BytesIO()
        scripted.save(stream)
        stream.seek(0)
        again = torch.jit.load(stream)
        assert torch.equal(again(x), module(x)) and again.original_name == scripted.original_name


def test_scripted_modules_print_as_torchs_and_keep_a_mode_of_their_own() -> None:
    inner = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.9))
    net = torch.nn.Sequential(inner, torch.nn.ModuleList([inner]))
    scripted = torch.jit.script(net)
    shown = (
        "RecursiveScriptModule(\n"
        "  original_name=Sequential\n"
        "  ({}): RecursiveScriptModule(\n"
        "    original_name={}\n"
    )
    assert repr(scripted).startswith(shown.format(0, "Sequential"))
    assert repr(scripted[1]).count("original_name=Linear") == 1
    assert scripted[0] is scripted[1][0]
    assert repr(torch.jit.trace(inner[0], torch.ones(1, 3))) == "Linear(original_name=Linear)"
    assert not scripted.eval()[0].training
    assert net.training and inner[1].training
    stream = io.BytesIO()
    scripted.save(stream)
    stream.seek(0)
    again = torch.jit.load(stream)
    assert not any(module.training for module in again.modules())
    assert repr(again) == repr(scripted)


def test_scripted_functions_are_themselves_and_compiled_ones_do_the_same() -> None:
    @torch.jit.script
    def double(x):
        return 2 * x

    assert double(torch.ones(1)).item() == 2
    decorated = torch.compile(fullgraph=True, dynamic=False)(double)
    assert decorated.__name__ == "double"
    assert [decorated(torch.full((1,), n)).item() for n in (1.0, 2.0, 3.0)] == [2, 4, 6]
    assert torch.compile(double, disable=True) is double
    net = torch.nn.Linear(2, 2)
    compiled = torch.compile(net, mode="max-autotune")
    assert compiled._orig_mod is net and isinstance(compiled, torch.nn.Module)
    assert list(compiled.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    x = torch.randn(3, 2)
    for _ in range(3):
        assert torch.allclose(compiled(x), net(x))
    with pytest.raises(RuntimeError, match="Unrecognized mode=fast"):
        torch.compile(net, mode="fast")
    with pytest.raises(RuntimeError, match="Either mode or options"):
        torch.compile(net, mode="default", options={})
    assert not torch.jit.is_scripting()
    calls = []
    torch.jit.trace(calls.append, torch.ones(2))
    assert len(calls) == 1


def test_thread_numbers() -> None:
    before = torch.get_num_threads()
    assert before >= 1
    for number in (1, 2, before):
        torch.set_num_threads(number)
        assert torch.get_num_threads() == number
    for wrong, told in ((0, "a positive integer"), (-1, "a positive integer"), (1.5, "got float"),
                        (True, "got bool"), ("2", "got str")):  # fmt: skip
        with pytest.raises(RuntimeError, match=f"set_num_threads expects .*{told}"):
            torch.set_num_threads(wrong)


def test_settings_are_remembered() -> None:
    torch.use_deterministic_algorithms(True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_deterministic_debug_mode() == 2
    torch.use_deterministic_algorithms(False)
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")
    with pytest.raises(RuntimeError, match=r"^fast is not one of"):
        torch.set_float32_matmul_precision("fast")


@pytest.mark.parametrize(
    ("module", "name", "hint"),
    [
        (torch, "matmull", "the nearest name is matmul"),
        (torch, "Linear", "there is rushlight.nn.Linear"),
        (torch, "install_as_torc", "the nearest name is install_as_torch"),
        (torch.nn, "Relu", "the nearest names are ReLU"),
        (torch.nn.functional, "crossentropy", "the nearest names are cross_entropy"),
        (torch.optim, "Adamm", "the nearest names are Adam"),
        (torch.utils.data, "Dataloader", "the nearest names are DataLoader"),
        (torch.backends.cudnn, "benchmrk", "the nearest name"),
    ],
)
def test_an_unknown_name_points_to_the_nearest(module, name: str, hint: str) -> None:
    assert not hasattr(module, name)
    with pytest.raises(AttributeError) as unknown:
        getattr(module, name)
    assert str(unknown.value) == f"module {module.__name__!r} has no attribute {name!r}"
    assert any(note.startswith(hint) for note in unknown.value.__notes__), unknown.value.__notes__


def test_private_probing_is_quiet() -> None:
    with pytest.raises(AttributeError) as unknown:
        torch.__wrapped__  # noqa: B018  (it raises)
    assert not hasattr(unknown.value, "__notes__")
    assert nearest("zzzz", ["abc"]) == []


def test_version_is_one_that_programs_can_parse() -> None:
    assert torch.__version__ == torch.version.__version__
    release = torch.__version__.partition("+")[0].split(".")
    assert tuple(map(int, release[:2])) >= (2, 0)


def test_flush_denormal_says_no() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert torch.set_flush_denormal(True) is False
    assert len(told) == 1

"""The alias: torch's names stand for rushlight's modules, and never for two things at once."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import rushlight
from rushlight import compat
from rushlight.compat.alias import OURS, our_name
from rushlight.core.names import own_name
from rushlight.functions.results import RETURN_TYPES, named_result


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No torch of any kind among the loaded modules; afterwards all as it was."""
    before = {name: sys.modules[name] for name in list(sys.modules) if _is_torch(name)}
    for name in before:
        del sys.modules[name]
    yield
    compat.uninstall()
    for name in [name for name in sys.modules if _is_torch(name)]:
        del sys.modules[name]
    sys.modules.update(before)


def _is_torch(name: str) -> bool:
    return name.partition(".")[0] in ("torch", "torchvision")


def test_the_same_module_objects_under_both_names(clean: None) -> None:
    assert not compat.installed()
    rushlight.install_as_torch()
    assert compat.installed()
    specs = {}
    for name in (
        "torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils.rnn",
        "torch.optim", "torch.optim.lr_scheduler", "torch.utils.data", "torch.autograd",
        "torch.cuda", "torch.jit", "torch.backends.cudnn", "torch.backends.cuda",
        "torchvision", "torchvision.transforms", "torchvision.transforms.functional",
        "torchvision.datasets", "torchvision.io",
    ):  # fmt: skip
        ours = our_name(name)
        assert ours is not None
        specs[ours] = getattr(importlib.import_module(ours), "__spec__", None)
        assert importlib.import_module(name) is sys.modules[ours]
        assert sys.modules[ours].__spec__ is specs[ours], "importing the alias left its spec alone"
        apart = name.startswith(("torchvision", "torch.backends."))
        assert sys.modules[ours].__name__ == (ours if apart else name)


def test_families_of_modules_by_torchs_file_names(clean: None) -> None:
    compat.install()
    for family, name in (
        ("loss", "_Loss"), ("utils", "_pair"), ("batchnorm", "_BatchNorm"), ("conv", "_ConvNd"),
        ("transformer", "_get_activation_fn"), ("module", "Module"), ("loss", "TripletMarginLoss"),
        ("conv", "LazyConv2d"), ("rnn", "LSTMCell"), ("activation", "MultiheadAttention"),
    ):  # fmt: skip
        assert hasattr(importlib.import_module(f"torch.nn.modules.{family}"), name)
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'torch\.nn\.modules\.nothing'"):
        importlib.import_module("torch.nn.modules.nothing")


def _apart(recorded: dict[str, dict[str, str]]) -> list[str]:
    """Classes that name another module than torch's, of those that there are."""
    found = []
    for space, kinds in recorded.items():
        module = importlib.import_module(space)
        for name, home in kinds.items():
            kind = getattr(module, name, None)
            if isinstance(kind, type) and kind.__module__ != home:
                found.append(f"{space}.{name}: {kind.__module__}, not {home}")
    return found


def test_classes_name_torchs_modules_and_ours_again_afterwards(clean: None) -> None:
    before = (rushlight.Tensor.__module__, rushlight.nn.ReLU.__module__)
    recorded = json.loads((Path(__file__).parents[1] / "parity/data/homes.json").read_text())
    compat.install()
    assert sum(map(len, recorded.values())) > 300
    assert _apart(recorded) == [
        "torch.utils.data._DatasetKind: rushlight.utils.data.dataloader, "
        "not torch.utils.data.dataloader",
        "torch.distributions.transforms._InverseTransform: "
        "rushlight.distributions.transform, not torch.distributions.transforms",
    ], "private ones, which print themselves"
    compat.uninstall()
    assert (rushlight.Tensor.__module__, rushlight.nn.ReLU.__module__) == before


def test_modules_say_torchs_names_and_ours_again_afterwards(clean: None) -> None:
    compat.install()
    import torch
    from torch.optim import lr_scheduler

    schedule = lr_scheduler.StepLR(torch.optim.SGD([torch.ones(1)], lr=0.1), 1)
    assert schedule.__module__ == lr_scheduler.__name__ == "torch.optim.lr_scheduler"
    assert torch.nn.functional.__name__ == "torch.nn.functional"
    assert torch.utils.data.__name__ == "torch.utils.data"
    with pytest.raises(
        AttributeError, match=r"^module 'torch\.fft' has no attribute 'iffft'"
    ) as told:
        torch.fft.iffft  # noqa: B018  (it raises)
    assert "nearest" in str(told.value.__notes__)
    assert own_name(torch.nn.functional) == "rushlight.nn.functional", "by which it is watched"
    compat.uninstall()
    assert rushlight.optim.lr_scheduler.__name__ == "rushlight.optim.lr_scheduler"
    assert rushlight.fft.__name__ == "rushlight.fft"


def test_a_bare_container_compiles_under_torchs_name(clean: None) -> None:
    """Its class says `torch.nn...` then, and what it holds must be found all the same."""
    compat.install()
    torch = importlib.import_module("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    x = torch.ones(2, 3)
    compiled = torch.compile(net, fullgraph=True)  # raises where it would run eagerly
    assert torch.allclose(torch.compile(compiled, fullgraph=True)(x), net(x))
    assert len(compiled) == 2
    with pytest.raises(TypeError, match=r"^Linear does not support len\(\)$"):
        len(torch.compile(net[0]))


def test_named_results_are_found_where_pickles_look() -> None:
    made = [rushlight.ones(2).sort(), rushlight.linalg.eigh(rushlight.eye(2))]
    assert type(made[0]) is rushlight.return_types.sort
    for result in made:
        assert type(pickle.loads(pickle.dumps(result))) is type(result)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rushlight.return_types.nothing
    assert {"max", "linalg_svd", "frexp"} <= set(dir(rushlight.return_types))


def test_objects_travel_and_are_stored_under_either_name(clean: None, tmp_path: Path) -> None:
    net = rushlight.nn.Sequential(rushlight.nn.Linear(2, 3), rushlight.nn.PReLU())
    rushlight.save(net, tmp_path / "before.pt")
    compat.install()
    assert type(net[1]).__module__ == "torch.nn.modules.activation"
    assert repr(rushlight.load(tmp_path / "before.pt", weights_only=False)) == repr(net)
    rushlight.save(net, tmp_path / "after.pt")
    travelled = pickle.loads(pickle.dumps((net, rushlight.ones(2).max(0), rushlight.ones(2).T)))
    assert repr(travelled[0]) == repr(net) and type(travelled[1]) is rushlight.return_types.max
    made_meanwhile = named_result("_meanwhile", ("values",))
    assert made_meanwhile.__module__ == "torch.return_types"
    compat.uninstall()
    assert made_meanwhile.__module__ == "rushlight.return_types"
    RETURN_TYPES.pop("_meanwhile")
    assert repr(rushlight.load(tmp_path / "after.pt", weights_only=False)) == repr(net)


def test_installing_twice_is_installing_once(clean: None) -> None:
    compat.install()
    finders = len(sys.meta_path)
    compat.install()
    assert len(sys.meta_path) == finders
    compat.uninstall()
    assert not compat.installed() and "torch" not in sys.modules


@pytest.mark.parametrize("name", ["torch", "torchvision"])
def test_refuses_when_the_real_one_is_loaded(clean: None, name: str) -> None:
    real = ModuleType(name)
    real.__file__ = f"/somewhere/{name}/__init__.py"
    sys.modules[name] = real
    with pytest.raises(RuntimeError, match=f"the real {name} is already loaded") as refused:
        compat.install()
    assert f"/somewhere/{name}/__init__.py" in str(refused.value)
    assert any("rushlight run" in note for note in refused.value.__notes__)
    assert sys.modules[name] is real and not compat.installed()


@pytest.mark.parametrize("part", sorted(OURS - {"__main__"}))
def test_what_torch_has_not_stays_unknown(clean: None, part: str) -> None:
    compat.install()
    with pytest.raises(ModuleNotFoundError, match=f"No module named 'torch.{part}'"):
        importlib.import_module(f"torch.{part}")


def test_a_missing_module_names_the_nearest(clean: None) -> None:
    compat.install()
    for wrong, right in (
        ("torch.nn.functionl", "torch.nn.functional"),
        ("torch.optimm", "torch.optim"),
        ("torchvision.transform", "torchvision.transforms"),
    ):
        with pytest.raises(ModuleNotFoundError) as missing:
            importlib.import_module(wrong)
        assert missing.value.name == wrong
        assert f"the nearest is {right}" in missing.value.__notes__
    with pytest.raises(ImportError):  # what programs that probe for features expect
        importlib.import_module("torch._dynamo.nothing")


def test_first_weights_are_set_by_the_functions_that_stand_in_torch_nn_init() -> None:
    code = (
        "import rushlight.compat, sys; rushlight.compat.install(); import torch\n"
        "from torch import nn\n"
        "assert sys.modules['torch.nn.init'] is torch.nn.init\n"
        "asked = []\n"
        "nn.init.xavier_uniform_ = lambda x, gain=1.0: asked.append(tuple(x.shape))\n"
        "nn.MultiheadAttention(4, 2); nn.Transformer(4, 2, 1, 1, 8)\n"
        "print(len(asked))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 8


@pytest.mark.usefixtures("clean")
def test_libraries_that_ask_for_versions_are_told_whose_behaviour_it_is() -> None:
    compat.install()
    assert importlib.metadata.version("torchvision") == "0.28.0"
    assert importlib.metadata.version("torch").startswith("2.13")
    assert importlib.metadata.version("numpy") == importlib.import_module("numpy").__version__
    compat.uninstall()


def test_a_package_runs_once_whoever_asks_first() -> None:
    code = (
        "import rushlight.compat, sys; rushlight.compat.install(); import torch\n"
        "import torch.nn.attention.bias\n"
        "assert torch.nn is sys.modules['torch.nn'] is sys.modules['rushlight.nn']\n"
        "print(torch.nn.attention.bias.causal_upper_left(1, 2))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "tensor([[ True, False]])\n"

"""Whole models as data: rebuilt without constructors, imports or code from the file."""

import io
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.serialize import CheckpointError, definition, load, safe_globals, save
from tests.serialize.tools import loaded, same, saved


class Net(nn.Module):
    built = 0

    def __init__(self, width):
        super().__init__()
        Net.built += 1
        self.width = width
        self.layers = nn.ModuleList([nn.Linear(width, width), nn.Dropout(0.5)])
        self.last = self.layers[0]
        self.register_buffer("steps", torch.zeros(1), persistent=False)
        self.scale = nn.Parameter(torch.ones(1))
        self.options = {"act": nn.functional.relu, "sizes": [1, (2, 3)]}

    def forward(self, x):
        return self.options["act"](self.last(x)) * self.scale + self.steps


def model():
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Sequential(nn.Linear(8, 2), nn.Tanh())
    )


def test_a_model_of_rushlights_layers_comes_back_and_computes_the_same(tmp_path):
    first = model().eval()
    save(first, tmp_path / "model.pt")
    second = load(tmp_path / "model.pt")
    x = torch.randn(3, 4)
    assert type(second) is nn.Sequential and not second.training and repr(second) == repr(first)
    assert same(first(x), second(x))
    assert list(second.state_dict()) == list(first.state_dict())
    second.train()
    second(x).sum().backward()
    assert second[0].weight.grad is not None and first[0].weight.grad is None


def test_a_model_of_ones_own_needs_its_class_to_be_known():
    net = Net(3)
    data = saved({"net": net, "epoch": 2})
    with pytest.raises(CheckpointError, match=r"test_definition\.Net, which is not") as caught:
        loaded(data)
    assert "weights_only=False" in "".join(caught.value.__notes__)
    count = Net.built
    with safe_globals([Net]):
        back = loaded(saved({"net": net, "epoch": 2}))["net"]
    trusted = loaded(data, weights_only=False)["net"]
    assert Net.built == count  # no constructor ran
    x = torch.randn(2, 3)
    for found in (back, trusted):
        found.eval()
        net.eval()
        assert type(found) is Net and same(found(x), net(x))
        assert found.last is found.layers[0] and found.options["act"] is nn.functional.relu
        assert found.options["sizes"] == [1, (2, 3)] and "steps" not in found.state_dict()


def test_weights_stay_shared_inside_and_outside():
    first = nn.Linear(3, 3)
    second = nn.Linear(3, 3)
    second.weight = first.weight
    back = loaded(saved({"pair": nn.ModuleList([first, second]), "w": first.weight}))
    assert back["pair"][0].weight is back["pair"][1].weight is back["w"]


def test_a_state_dict_and_an_optimizer_resume(tmp_path):
    net = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def step(net, optimizer):
        optimizer.zero_grad()
        (net.weight * net.weight).sum().backward()
        optimizer.step()

    step(net, optimizer)
    save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "a.pt")
    found = load(tmp_path / "a.pt")
    assert found["net"]._metadata == net.state_dict()._metadata
    other = nn.Linear(3, 2)
    other.load_state_dict(found["net"])
    resumed = torch.optim.Adam(other.parameters(), lr=0.5)
    resumed.load_state_dict(found["optimizer"])
    for _ in range(3):
        step(net, optimizer)
        step(other, resumed)
    assert same(net.weight.detach(), other.weight.detach())
    save(net.state_dict(), tmp_path / "a.safetensors")
    other.load_state_dict(load(tmp_path / "a.safetensors"))
    assert same(net.bias.detach(), other.bias.detach())


def test_hooks_cycles_and_lambdas_are_refused():
    net = nn.Linear(2, 2)
    handle = net.register_forward_hook(lambda *arguments: None)
    with pytest.raises(TypeError, match="hooks are code"):
        saved(net)
    handle.remove()
    net.act = lambda x: x
    with pytest.raises(TypeError, match="'act'"):
        saved([net])
    del net.act
    object.__setattr__(net, "owner", [net])
    with pytest.raises(ValueError, match="contains itself"):
        saved(net)


def description(**changes):
    found = definition.describe(nn.Linear(2, 2))
    found.update(changes)
    return saved(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"class": "os.system"}, {"class": "subprocess.Popen"}, {"class": "rushlight.nn.Nothing"},
        {"class": "rushlight.load"}, {"class": "rushlight.optim.SGD"}, {"class": 3},
        {"class": "rushlight.nn.module.sys.exit"}, {"training": 1}, {"attributes": []},
        {"attributes": {"__class__": 1}}, {"attributes": {"_parameters": {}}},
        {"attributes": {1: 2}}, {"parameters": {"weight": [1]}}, {"modules": {"a": 1}},
        {"buffers": {3: None}}, {"extra": 1}, {definition.KEY: "function"},
        {definition.KEY: "thing"}, {definition.KEY: "function", "name": "os.system"},
        {definition.KEY: "function", "name": "rushlight.load"},
        {definition.KEY: "function", "name": "rushlight.nn.functional.rl"},
    ],
)  # fmt: skip
def test_lying_descriptions_are_refused(changes):
    data = description(**changes)
    for trust in (None, False):
        with pytest.raises(CheckpointError):
            loaded(data, weights_only=trust)
    assert type(loaded(description())) is nn.Linear


def test_a_model_defined_in_the_script_loads_in_the_script(tmp_path):
    script = """
        import sys
        import rushlight as torch
        from rushlight.serialize import load, save
        class Mine(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = torch.nn.Linear(2, 1)
            def forward(self, x):
                return self.fc(x)
        if sys.argv[2] == "save":
            save(Mine(), sys.argv[1])
        else:
            print(type(load(sys.argv[1], weights_only=False)).__name__)
    """
    for mode in ("save", "load"):
        command = [sys.executable, "-c", textwrap.dedent(script), tmp_path / "m.pt", mode]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Mine"


def test_the_file_is_plain_data_for_others():
    stream = io.BytesIO(saved(nn.Linear(2, 1)))
    data = stream.getvalue()
    assert b"ctorch._utils\n_rebuild_tensor_v2" in data and b"crushlight" not in data
    assert np.isfinite(loaded(data).weight.detach().numpy()).all()

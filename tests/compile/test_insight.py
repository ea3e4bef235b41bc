"""Looking inside: times of kernels, the drawing, the log."""

import logging
import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

import rushlight as torch

nn = torch.nn


@pytest.fixture
def trained():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 30), nn.Dropout(0.5), nn.ReLU(), nn.Linear(30, 4))
    opt = torch.optim.SGD(net.parameters(), lr=0.1)

    @torch.compile(fullgraph=True)
    def step(x, y):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss

    x, y = torch.randn(16, 20), torch.randint(0, 4, (16,))
    for _ in range(2):
        step(x, y)
    return net, step, x, y


def test_times_of_kernels_beside_the_machine(trained):
    net, step, _, _ = trained
    before = [p.clone() for p in (*net.parameters(), *(p.grad for p in net.parameters()))]
    random = torch.get_rng_state()
    found = step.explain(times=True)
    after = [*net.parameters(), *(p.grad for p in net.parameters())]
    assert all(torch.equal(a, b) for a, b in zip(before, after))
    assert torch.equal(random, torch.get_rng_state()) and "RUSHLIGHT_PROFILE" not in os.environ
    (program,) = found.programs
    assert sum(kernel["seconds"] for kernel in program["times"]) > 0
    assert {k["name"] for k in program["times"]} >= {k["name"] for k in program["kernels"]}
    assert found.machine["flops"] > 1e9 and found.machine["bytes"] > 1e8
    for kernel in program["times"]:  # no kernel does more than the machine can
        limit = 1.5 * found.machine["flops"] * found.machine["threads"]
        assert kernel["flops"] <= limit * kernel["seconds"] or kernel["seconds"] < 1e-6
    text = str(found)
    assert "us in kernels; this machine:" in text and "% of the peak" in text
    assert "without reuse" in text and "dot mul" in text
    assert step.explain().machine == {}  # only when asked for


def test_the_backward_half_is_timed_too():
    net = torch.compile(nn.Linear(20, 30))
    net(torch.ones(5, 20))
    names = [kernel["name"] for kernel in net.explain(times=True).programs[0]["times"]]
    assert any(name.startswith("backward ") for name in names) and names[0] == "k0"


def test_a_program_of_numpy_has_no_kernels():
    double = torch.compile(lambda x: 2 * x, backend="numpy")
    double(torch.ones(3))
    (program,) = double.explain(times=True).programs
    assert program["times"] == []


def test_the_graph_as_a_drawing(trained, tmp_path):
    _, step, _, _ = trained
    picture = step.picture()
    root = xml.fromstring(picture.svg())
    assert root.tag.endswith("svg")
    titles = {box.title for box in picture.boxes}
    assert "linear_bias" in titles and "cross_entropy" in titles
    path = tmp_path / "step.svg"
    picture.save(path)
    assert path.read_text(encoding="utf-8") == picture.svg()
    assert len(step.picture(limit=5).boxes) < len(picture.boxes)
    with pytest.raises(RuntimeError, match="no program yet"):
        torch.compile(lambda x: x).picture()


def test_the_log_says_what_was_made_and_what_was_not(caplog):
    @torch.compile
    def half(x):
        return x / 2 if str(x.sum().item()) else x

    with caplog.at_level(logging.DEBUG, "rushlight.compile"), pytest.warns(UserWarning):
        torch.compile(lambda x: x + 1)(torch.ones(2))
        half(torch.ones(2))
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "a program of" in said and "trace ended: a text needs the value of a tensor" in said


def test_the_log_of_the_command(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import rushlight as torch\ntorch.compile(lambda x: x + 1)(torch.ones(2))\n")
    root = str(Path(torch.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(script)], capture_output=True, text=True,
        env={**os.environ, "RUSHLIGHT_LOG": "compile", "PYTHONPATH": root}, check=True,
    )  # fmt: skip
    assert "a program of" in done.stderr

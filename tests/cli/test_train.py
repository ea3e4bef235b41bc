"""`rushlight train` and `rushlight evaluate`: the run folder, the number, Ctrl-C, a nan."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl
from rushlight.cli import data as pictures
from rushlight.cli import fitting, models, presets, progress
from rushlight.cli.interrupt import StopRequests
from rushlight.cli.main import main
from rushlight.cli.runfolder import RunFolder, to_json
from rushlight.cli.terminal import Complaint
from tests.cli.tools import rushlight, start

ACCURACY = re.compile(r"held-out accuracy (\d\.\d{4}) \(([\d,]+) of ([\d,]+)\), loss (\d+\.\d{4})")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and one thread again afterwards."""
    monkeypatch.chdir(tmp_path)
    threads = rl.get_num_threads()
    yield tmp_path
    rl.set_num_threads(threads)


def test_lenet_learns_the_digits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "lenet", "--quiet", "--epochs", "8"]) == 0
    out = capsys.readouterr().out
    found = ACCURACY.fullmatch(out.strip())
    assert found is not None, out
    assert float(found[1]) >= 0.96 and found[3] == "360"
    run = folder / "runs" / "lenet-digits-1"
    names = {path.name for path in run.iterdir()}
    assert names == {"config.json", "metrics.jsonl", "best.pt", "last.pt", "curve.png"}

    config = json.loads((run / "config.json").read_text())
    assert (config["model"], config["data"], config["epochs"]) == ("lenet", "digits", 8)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    assert lines[-1]["train_loss"] < lines[0]["train_loss"] / 5
    assert (run / "curve.png").read_bytes()[1:4] == b"PNG"

    assert main(["evaluate", str(run)]) == 0
    assert capsys.readouterr().out == out
    assert main(["evaluate", str(run), "--json", "--checkpoint", "best"]) == 0
    best = json.loads(capsys.readouterr().out)
    assert best["correct"] == max(line["correct"] for line in lines)


def test_the_same_seed_gives_the_same_run(folder: Path, capsys: pytest.CaptureFixture) -> None:
    results = []
    for seed in ("3", "3", "4"):
        assert main(["train", "softmax", "--epochs", "2", "--seed", seed, "--json"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert set(lines[-1]) == {"result", "run"}
        results.append([(line["train_loss"], line["loss"]) for line in lines[:-1]])
    assert results[0] == results[1] != results[2]
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "softmax-digits-1", "softmax-digits-2", "softmax-digits-3",
    ]  # fmt: skip


def test_evaluate_in_another_process_prints_the_same_line(tmp_path: Path) -> None:
    trained = rushlight("train", "mlp", "--epochs", "2", "--out", "my run", cwd=tmp_path)
    assert trained.returncode == 0 and trained.stderr == ""
    line = next(line for line in trained.stdout.splitlines() if ACCURACY.match(line))
    for run in ("my run", "my run/last.pt"):
        repeated = rushlight("evaluate", run, cwd=tmp_path)
        assert (repeated.stdout, repeated.stderr) == (f"{line}\n", "")


def test_what_is_wrong_with_files_is_told_without_a_traceback(folder: Path, capsys, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")
    monkeypatch.setenv("RUSHLIGHT_HOME", str(folder / "home"))
    assert main(["train", "mlp", "--data", "fashion-mnist"]) == 1
    err = capsys.readouterr().err
    assert "RUSHLIGHT_OFFLINE forbids using the network" in err and "put the file at" in err
    assert main(["train", "linear", "--epochs", "1", "--quiet", "--out", "run"]) == 0
    checkpoint = folder / "run" / "last.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    assert main(["evaluate", "run"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("rushlight evaluate: error: ") and "cut short" in err
    assert str(Path("run/last.pt")) in err


def test_a_run_is_never_overwritten(folder: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["train", "linear", "--epochs", "1", "--out", "here"]
    assert main(command) == 0
    before = Path("here/last.pt").read_bytes()
    capsys.readouterr()
    assert main(command) == 2
    told = capsys.readouterr().err
    assert told == "rushlight train: error: --out here: holds a run already; choose another\n"
    assert Path("here/last.pt").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="processes are given no signals there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_and_keeps_what_was_learnt(tmp_path: Path, number: int) -> None:
    with start("train", "mlp", "--epochs", "5000", "--out", "run", cwd=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch    2/5000"):
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err and err.count("\n") == 1
    assert err.startswith("rushlight train: stopped after step ")
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["stopped"] == signal.Signals(number).name
    checkpoint = rl.load(tmp_path / "run/last.pt")
    assert checkpoint["step"] == lines[-1]["step"] >= lines[-2]["step"]
    repeated = rushlight("evaluate", "run", cwd=tmp_path)
    found = ACCURACY.match(repeated.stdout)
    assert found is not None and float(found[1]) > 0.5


def test_a_nan_stops_at_once_and_names_the_module(folder: Path, capsys) -> None:
    command = ["train", "mlp", "--optimizer", "sgd", "--lr", "1e30", "--out", "run"]
    assert main(command) == 1
    err = capsys.readouterr().err
    assert "the loss is" in err and "(Linear) is the first module whose output has nan" in err
    last = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert last["loss"] is None and "(Linear)" in last["diverged"]
    weights = rl.load("run/last.pt")["state_dict"]
    assert all(rl.isfinite(value).all() for value in weights.values())


def test_the_cause_of_a_nan_is_found_where_it_begins() -> None:
    net = models.build("lenet", (1, 8, 8), 10)
    images = rl.randn(4, 1, 8, 8)
    assert fitting.find_cause(net, images).startswith("all outputs of the network are finite")
    with rl.no_grad():
        net.get_parameter("fc1.bias")[3] = float("nan")
    cause = fitting.find_cause(net, images)
    assert cause.startswith("fc1 (Linear) is the first module") and "its bias" in cause
    images[0, 0, 0, 0] = float("inf")
    assert fitting.find_cause(net, images) == "the pictures of this batch hold nan or inf"
    assert not net.get_submodule("fc1")._forward_hooks


def test_the_line_of_a_nan_is_still_json() -> None:
    text = to_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}})
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": {"d": None}}
    assert "NaN" not in text and "Infinity" not in text


@pytest.mark.parametrize("name", [n for n in models.MODELS if n not in models.LARGE_NETS])
@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 16, 12), (1, 28, 28), (3, 32, 33)])
def test_every_network_takes_every_size(name: str, shape: tuple[int, int, int]) -> None:
    net = models.build(name, shape, 7, dropout=0.0 if name in ("linear", "softmax") else 0.5)
    scores = net(rl.randn(3, *shape))
    assert scores.shape == (3, 7)
    models.criterion(name)(scores, rl.tensor([0, 6, 3])).backward()
    assert all(weight.grad is not None for weight in net.parameters())


def test_measuring_counts_every_picture_once() -> None:
    part = pictures.load("digits").held_out
    part = pictures.Part(rl.cat([part.images] * 2), rl.cat([part.labels] * 2))
    net = models.build("mlp", (1, 8, 8), 10, dropout=0.5)
    found = fitting.measure(net, part, models.criterion("mlp"))
    with rl.no_grad():
        scores = net(part.images)
        loss = rl.nn.functional.cross_entropy(scores, part.labels).item()
    assert found.count == 720 and found.correct == (scores.argmax(1) == part.labels).sum().item()
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert not net.training


def test_presets_give_way_to_what_the_user_says() -> None:
    given = {"model": "lenet", "data": "digits", "dropout": 0.0, "lr": None, "threads": 3}
    chosen = presets.choose(given)
    assert chosen.dropout == 0.0 and chosen.lr == presets.choose(given | {"dropout": None}).lr
    for name, kind in (("sgd", rl.optim.SGD), ("adam", rl.optim.Adam), ("adamw", rl.optim.AdamW)):
        settings = presets.choose(given | {"optimizer": name, "weight_decay": 0.5, "lr": 0.25})
        made = presets.optimizer(settings, rl.nn.Linear(2, 2).parameters())
        group = made.param_groups[0]
        assert type(made) is kind and (group["lr"], group["weight_decay"]) == (0.25, 0.5)


def test_the_cosine_ends_at_nothing() -> None:
    settings = presets.choose({"model": "softmax", "data": "digits", "epochs": 2})
    fit = fitting.Fit(settings, pictures.load("digits"), StopRequests())
    rates = [
        fit.optimizer.param_groups[0]["lr"] for _ in fit.epochs(progress.Progress(2 * 1437, 2))
    ]
    assert rates == pytest.approx([settings.lr / 2, 0.0], abs=1e-9)


def test_a_checkpoint_of_something_else_is_refused(folder: Path, capsys) -> None:
    rl.save({"weights": rl.ones(2)}, "other.pt")
    assert main(["evaluate", "other.pt"]) == 1
    assert "other.pt was not written by rushlight train" in capsys.readouterr().err
    Path("empty").mkdir()
    assert main(["evaluate", "empty"]) == 1
    assert "empty holds no last.pt or best.pt" in capsys.readouterr().err


def test_the_number_of_a_run_is_the_next_free_one(folder: Path) -> None:
    for name in ("a-1", "a-7", "a-b-9", "a-x"):
        (folder / "runs" / name).mkdir(parents=True)
    assert RunFolder.create(None, "a").path.name in ("a-8", "a-10")
    with pytest.raises(Complaint, match="is a file"):
        (folder / "file").write_text("")
        RunFolder.create("file", "a")


def test_a_torn_last_line_of_the_metrics_is_left_out(folder: Path) -> None:
    run = RunFolder.create("run", "x")
    run.add_metrics({"epoch": 1})
    with open("run/metrics.jsonl", "a") as file:
        file.write('{"epoch": 2, "lo')
    assert run.metrics() == [{"epoch": 1}]


def test_mnist_with_its_test_files_only_is_split_and_says_so(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("RUSHLIGHT_DATA", str(folder))
    (folder / "mnist").mkdir()
    write_idx(folder / "mnist" / "t10k-images-idx3-ubyte", np.ones((200, 28, 28)))
    write_idx(folder / "mnist" / "t10k-labels-idx1-ubyte", np.arange(200) % 10)
    data = pictures.load("mnist")
    assert (len(data.train), len(data.held_out)) == (170, 30)
    said = (
        f"only the test files were found, in {folder / 'mnist'}: 170 of their 200 images train, "
        "30 are held out (seed 0)"
    )
    assert data.note.lower() == said.lower()  # some systems find MNIST there


def write_idx(path: Path, array: np.ndarray) -> None:
    """A MNIST-format file."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


def test_a_folder_of_mnist_files_with_one_part_is_split(folder: Path) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (50, 6, 5))
    write_idx(folder / "train-images-idx3-ubyte", images)
    write_idx(folder / "train-labels-idx1-ubyte", np.arange(50) % 5)
    data = pictures.load(str(folder))
    assert (len(data.train), len(data.held_out), data.shape) == (40, 10, (1, 6, 5))
    assert "10 of 50 pictures set aside" in (data.note or "")
    assert sorted(data.held_out.labels.tolist()) == sorted([0, 1, 2, 3, 4] * 2)
    whole = rl.cat([data.train.images, data.held_out.images]) * data.scale["std"]
    bytes_back = ((whole + data.scale["mean"]) * 255).round().long().squeeze(1).numpy()
    assert sorted(map(bytes, bytes_back.astype(np.uint8))) == sorted(
        map(bytes, images.astype(np.uint8))
    )
    assert data.train.images.mean().abs().item() < 1e-4


def test_a_folder_of_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "test"):
        for label, name in enumerate(("dark", "light")):
            (folder / "pics" / part / name).mkdir(parents=True)
            for i in range(8):
                picture = image.new("L", (6, 6), 200 * label + i)
                picture.save(folder / "pics" / part / name / f"{i}.png")
    data = pictures.load("pics")
    assert data.classes == ["dark", "light"] and data.shape == (1, 6, 6) and data.note is None
    command = ["train", "softmax", "--data", "pics", "--lr", "0.1", "--epochs", "9", "--quiet"]
    assert main(command) == 0
    assert "1.0000 (16 of 16)" in capsys.readouterr().out
    image.new("L", (9, 6), 0).save(folder / "pics/test/dark/odd.png")
    assert main(command) == 1
    err = capsys.readouterr().err
    assert "odd.png is 9x6" in err and "--image-size" in err
    assert main([*command, "--image-size", "6"]) == 0


def test_steps_are_compiled_where_it_pays(monkeypatch):
    from rushlight.cli import train

    monkeypatch.setattr(train.importlib.util, "find_spec", lambda name: object())
    assert train._compiles(None, "lenet") and not train._compiles(False, "lenet")
    assert not train._compiles(None, "googlenet") and train._compiles(True, "googlenet")
    monkeypatch.setattr(train.importlib.util, "find_spec", lambda name: None)
    assert not train._compiles(None, "lenet")

"""Every example runs and comes to the result that it is there to show."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.cli.tools import ROOT, rushlight

EXAMPLES = ROOT / "examples"


def run(name: str, folder: Path, ranks: int = 1, **extra: str) -> str:
    how = ("launch", "-n", str(ranks)) if ranks > 1 else ("run",)
    done = rushlight(*how, str(EXAMPLES / f"{name}.py"), cwd=folder, **extra)
    said = re.sub(r"rushlight launch: \d+ processes share \d+ cores?\n", "", done.stderr)
    assert (done.returncode, said) == (0, "")
    return done.stdout


def numbers(pattern: str, text: str) -> list[float]:
    found = re.findall(pattern, text)
    assert found, f"{pattern!r} is not in {text!r}"
    return [float(value) for value in found]


def test_there_are_no_examples_without_a_test_and_none_is_long() -> None:
    text = Path(__file__).read_text()
    for path in sorted(EXAMPLES.glob("*.py")):
        assert f'"{path.stem}"' in text, path.name
        assert len(path.read_text().splitlines()) <= 80, path.name
        assert "rushlight" not in path.read_text().split('"""')[2].replace("RUSHLIGHT", "")


@pytest.mark.parametrize("name", ["linear_regression_scratch", "linear_regression_concise"])
def test_linear_regression_finds_the_weights(name: str, tmp_path: Path) -> None:
    out = run(name, tmp_path)
    losses = numbers(r"loss (\S+)", out)
    assert losses[-1] < 2e-4 and losses[0] > losses[-1]
    assert numbers(r"largest error: (\S+)", out)[0] < 0.01


def test_softmax_regression(tmp_path: Path) -> None:
    out = run("softmax_regression", tmp_path)
    assert numbers(r"test accuracy: (\S+)", out)[0] > 0.98
    assert "tensor([[0." in out


def test_mlp_does_what_a_linear_classifier_cannot(tmp_path: Path) -> None:
    linear, mlp = numbers(r"test accuracy: (\S+)", run("mlp", tmp_path))
    assert linear < 0.7 and mlp > 0.97


def test_lenet(tmp_path: Path) -> None:
    assert numbers(r"epoch 5, test accuracy: (\S+)", run("lenet", tmp_path))[0] > 0.97


def test_polynomials_under_and_overfit(tmp_path: Path) -> None:
    out = run("polynomial_fitting", tmp_path)
    under, right, over = numbers(r"train loss (\S+),", out)
    under_test, right_test, over_test = numbers(r"test loss (\S+)\n", out)
    assert under > 50 * right and over <= right
    assert right_test < 0.05 < min(under_test, over_test)


def test_weight_decay_shrinks_the_weights_and_helps(tmp_path: Path) -> None:
    out = run("weight_decay", tmp_path)
    free, decayed = numbers(r"norm of the weights (\S+)", out)
    free_test, decayed_test = numbers(r"test loss (\S+),", out)
    assert decayed < free / 10 and decayed_test < free_test / 100


def test_dropout_helps_on_wrong_labels(tmp_path: Path) -> None:
    out = run("dropout", tmp_path)
    assert abs(numbers(r"their mean stays (\S+)", out)[0] - 1) < 0.02
    without, with_dropout = numbers(r"test accuracy (\S+)", out)
    assert with_dropout > without + 0.03


def test_house_prices_without_the_data_say_what_is_missing(tmp_path: Path) -> None:
    script = str(EXAMPLES / "house_prices.py")
    done = rushlight("run", script, cwd=tmp_path, RUSHLIGHT_DATA=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "set RUSHLIGHT_DATA" in done.stderr


def test_house_prices(tmp_path: Path) -> None:
    """On the competition's file where it is, else on made-up houses in the same format."""
    data = Path(os.environ.get("RUSHLIGHT_DATA", tmp_path))
    if not (data / "house_prices" / "kaggle_house_pred_train.csv").exists():
        data = _made_up(tmp_path)
    out = run("house_prices", tmp_path, RUSHLIGHT_DATA=str(data))
    assert numbers(r"mean log rmse over 5 folds: (\S+)", out)[0] < 0.17
    assert out.count("fold ") == 5


def _made_up(folder: Path) -> Path:
    lines = ["Id,Area,Quality,Street,SalePrice"]
    for i in range(400):
        area, quality, street = 50 + i * 37 % 150, i * 7 % 10, ("Pave", "Grvl", "NA")[i % 3]
        price = 90_000 * 1.005**area * 1.08**quality * (0.8 if street == "Grvl" else 1)
        shown = "NA" if i % 19 == 0 else area
        lines.append(f"{i},{shown},{quality},{street},{price:.0f}")
    (folder / "house_prices").mkdir()
    (folder / "house_prices" / "kaggle_house_pred_train.csv").write_text("\n".join(lines))
    return folder


def test_several_processes_come_to_the_accuracy_of_one(tmp_path: Path) -> None:
    several = run("data_parallel", tmp_path, ranks=2)
    assert several == run("data_parallel", tmp_path)
    assert numbers(r"epoch 4, test accuracy: (\S+)", several)[0] > 0.9


def test_a_pipeline_learns(tmp_path: Path) -> None:
    out = run("pipeline", tmp_path, ranks=2)
    losses = numbers(r"loss (\S+),", out)
    assert losses[-1] < 0.05 < losses[0]

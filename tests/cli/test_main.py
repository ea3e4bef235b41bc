"""The command line as a whole: wrong arguments, info, colour, progress, variables."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
from pathlib import Path

import pytest

import rushlight as rl
from rushlight.cli import environment, info, progress, terminal
from rushlight.cli.main import main
from tests.cli.tools import ROOT, rushlight


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "rushlight: error: the following arguments are required: COMMAND"),
        ("frobnicate", "rushlight: error: argument COMMAND: invalid choice: 'frobnicate'"),
        ("train --lr 0", "argument --lr: expected a number above 0, got '0'"),
        ("train --lr nan", "argument --lr: expected a number above 0, got 'nan'"),
        ("train --lr inf", "argument --lr: expected a number above 0, got 'inf'"),
        ("train --dropout 1", "--dropout: expected a number from 0 to below 1, got '1'"),
        ("train --epochs 0", "argument --epochs: expected a whole number from 1, got '0'"),
        ("train --batch-size 1.5", "--batch-size: expected a whole number from 1, got '1.5'"),
        ("train vgg", "argument MODEL: invalid choice: 'vgg'"),
        ("train --optimizer sdg", "argument --optimizer: invalid choice: 'sdg'"),
        ("train --data mnsit", "neither a data set nor a folder; did you mean mnist?"),
        ("train --data zzz", "neither a data set nor a folder; known are digits, mnist"),
        ("train mlp --model lenet", "two networks: mlp and --model lenet"),
        ("train linear --dropout 0.5", "--dropout: linear has no layer to drop out from"),
        ("train --image-size 32", "--image-size is for folders; --resize 32 changes digits"),
        ("train --fast", "unrecognized arguments: --fast (see rushlight train --help)"),
        ("evaluate", "the following arguments are required: RUN"),
        ("evaluate nowhere", "there is no run 'nowhere'"),
        ("run", "rushlight run: error: name a script to run"),
        ("run --fast x.py", "rushlight run: error: unknown option --fast"),
        ("run nowhere.py", "rushlight run: error: there is no file 'nowhere.py'"),
        ("launch", "rushlight launch: error: name a script to run"),
        ("launch nowhere.py", "rushlight launch: error: there is no file 'nowhere.py'"),
        ("launch -n 0 x.py", "-n expects a number of processes, not '0'"),
        ("launch --nnodes x x.py", "--nnodes expects a number of machines or MIN:MAX, not 'x'"),
        ("launch --nnodes 2:x x.py", "--nnodes expects a number of machines or MIN:MAX"),
        ("launch --rdzv-endpoint h:x x.py", "--rdzv-endpoint expects HOST:PORT, not 'h:x'"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(
    arguments: str, sentence: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments.split())
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert sentence in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["train", "--help"], ["evaluate", "--help"], ["info", "-h"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    assert main(["run", "--help"]) == 0
    out = capsys.readouterr().out
    for word in ("train", "evaluate", "run", "info", "--weight-decay", "fashion-mnist"):
        assert word in out
    with pytest.raises(SystemExit):
        main(["--version"])
    own = rl.__version__.partition("+rushlight")[2]
    assert capsys.readouterr().out.startswith(f"rushlight {own} (the interface of torch 2.")


def test_info_is_a_report_to_paste(tmp_path: Path) -> None:
    done = rushlight("info", cwd=tmp_path, RUSHLIGHT_HOME=str(tmp_path), RUSHLIGHT_DATAS="x")
    assert done.returncode == 0
    for topic in ("rushlight", "Python", "NumPy", "BLAS", "processor", "threads", "cache"):
        assert re.search(rf"^{topic} +\S", done.stdout, re.MULTILINE), topic
    assert f"{tmp_path} (writable)" in done.stdout
    assert f"RUSHLIGHT_HOME: {tmp_path}" in done.stdout
    assert done.stderr == (
        "warning: unknown environment variable RUSHLIGHT_DATAS; did you mean RUSHLIGHT_DATA?\n"
    )


def test_info_as_json_says_what_is_absent(monkeypatch, capsys) -> None:
    monkeypatch.setitem(info.PACKAGES, "no-such-package", "viz")
    assert main(["info", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["packages"]["no-such-package"] == "absent (pip install 'rushlight[viz]')"
    assert report["packages"]["tqdm"][0].isdigit()


@pytest.mark.skipif(shutil.which("bash") is None, reason="asks for a shell")
def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    import subprocess
    import sys

    from tests.cli.tools import environment as variables

    command = f"{sys.executable} -m rushlight info | head -1 >/dev/null; echo done"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=variables(), capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.parametrize(
    ("variables", "terminal_colour", "file_colour"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colour(variables, terminal_colour, file_colour, monkeypatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.wants_colour(Terminal()) is terminal_colour
    assert terminal.wants_colour(io.StringIO()) is file_colour
    assert ("\x1b[" in terminal.paint("x", terminal.BOLD, Terminal())) is terminal_colour


def test_the_kind_of_progress_follows_where_stderr_goes(monkeypatch) -> None:
    for name in ("RUSHLIGHT_PROGRESS", "TQDM_DISABLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert type(progress.make(10, 1, quiet=True)) is progress.Progress
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert type(progress.make(10, 1, quiet=False)) is progress.Lines
    monkeypatch.setattr("sys.stderr", Terminal())
    bar = progress.make(10, 1, quiet=False)
    assert type(bar) is progress.Bar
    bar.close()
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert type(progress.make(10, 1, quiet=False)) is progress.Lines
    monkeypatch.setenv("RUSHLIGHT_PROGRESS", "0")
    assert type(progress.make(10, 1, quiet=False)) is progress.Progress


def test_the_bar_tells_loss_accuracy_speed_and_time_left(capsys) -> None:
    stream = Terminal()
    bar = progress.Bar(200, 2, stream)
    bar.bar.mininterval = 0
    bar.start_epoch(1)
    for _ in range(4):
        bar.step(25, 0.5, 0.75)
    bar.line("a line that stays")
    bar.close()
    shown = stream.getvalue()
    assert "epoch 1/2" in shown and "loss 0.5000, accuracy 0.7500" in shown
    assert "examples/s" in shown and "left" in shown and "50%" in shown
    assert capsys.readouterr().out == "a line that stays\n"


def test_plain_lines_come_now_and_then(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    lines = progress.Lines(1000, 5, stream)
    lines.start_epoch(2)
    for _ in range(50):
        now[0] += 0.5
        lines.step(10, 1.25, 0.5)
    told = stream.getvalue().splitlines()
    assert len(told) == 2
    assert told[0] == ("epoch 2/5, 20%: loss 1.2500, accuracy 0.5000, 20 examples/s, 40 s left")


def test_every_variable_the_package_reads_is_in_the_table_and_the_table_in_the_docs() -> None:
    read = set()
    for path in (ROOT / "rushlight").rglob("*.py"):
        read |= set(re.findall(r"RUSHLIGHT_[A-Z_]+", path.read_text(encoding="utf-8")))
    assert read - {"RUSHLIGHT_"} <= set(environment.OURS)
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for name, meaning in (environment.OURS | environment.HONOURED).items():
        assert f"| `{name}` | {meaning} |" in page


def test_log_topics_reach_stderr(monkeypatch, capsys) -> None:
    monkeypatch.setenv("RUSHLIGHT_LOG", "made-up")
    logger = logging.getLogger("rushlight.made-up")
    environment.start_logging()
    try:
        logger.debug("one thing")
        assert "rushlight.made-up: one thing" in capsys.readouterr().err
    finally:
        logger.handlers.clear()

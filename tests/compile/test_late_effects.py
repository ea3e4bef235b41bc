"""What a step tells the world of numbers that are still to come: said after every run, as eagerly.

The losses of these steps are exact in either way of computing them, so texts are compared whole.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight.compile.tracing.written import LIVE

sys.path.insert(0, str(Path(__file__).parent))
from late_cases import CASES, World
from worlds import backends

LOG = logging.getLogger("rushlight.tests.late")


def course(name: str, make: Any, calls: int = 6) -> tuple[Any, Any]:
    """All that a case says and leaves, and the step."""
    world, out, err = World(), io.StringIO(), io.StringIO()
    records = logging.StreamHandler(out)
    records.setFormatter(
        logging.Formatter("%(levelname)s %(filename)s:%(lineno)d %(funcName)s %(message)s")
    )
    LOG.handlers[:], LOG.propagate = [records], False
    LOG.setLevel("INFO")
    step = make(CASES[name][1](world))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        given = [str(step(torch.tensor([1.0, 0.5]))) for _ in range(calls)]
    left = world.file.getvalue(), list(map(str, world.heard)), list(map(str, world.window))
    return (out.getvalue(), err.getvalue(), given, left, world.steps, world.w.tolist()), step


@backends
@pytest.mark.parametrize("name", CASES)
def test_programs_say_what_eager_calls_say(name: str, backend: str) -> None:
    programs = CASES[name][0]
    if not programs and backend == "numpy":
        return
    expected, _ = course(name, lambda f: f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not programs else "error")
        found, step = course(name, lambda f: torch.compile(f, backend=backend))
    assert found == expected
    assert len(step.programs) == programs, step.reasons


def test_it_is_told() -> None:
    _, step = course("records", lambda f: torch.compile(f, backend="numpy"), 2)
    told = step.explain()
    assert told.programs[0]["effects"] == ["Logger.info(...)", "Logger.debug(...)",
                                           "Logger.warning(...)"]  # fmt: skip
    assert "Logger.warning(...)" in str(told)


def test_a_level_that_changes() -> None:
    log, found = logging.getLogger("rushlight.tests.level"), []
    log.addHandler(logging.Handler())
    log.handlers[0].emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]  # for a test
    log.propagate = False

    @torch.compile
    def step(x: Any) -> Any:
        total = x.sum()
        if log.isEnabledFor(logging.INFO):
            log.info("total %.1f", total.item())
        return total

    wanted = []
    for k, level in enumerate(("INFO", "INFO", "WARNING", "WARNING", "INFO", "ERROR", "DEBUG")):
        log.setLevel(level)
        step(torch.full((2,), float(k)))
        if level in ("INFO", "DEBUG"):
            wanted.append(f"total {2.0 * k}")
        assert found == wanted
    logging.disable(logging.INFO)
    try:
        step(torch.ones(2))
    finally:
        logging.disable(logging.NOTSET)
    assert found == wanted
    assert step.programs


def test_a_file_that_makes_way_for_another() -> None:
    kept = types.SimpleNamespace(file=io.StringIO())

    @torch.compile
    def step(x: Any) -> Any:
        total = x.sum()
        print(total.item(), file=kept.file)
        return total

    for k in range(6):
        if k % 2 == 0:
            kept.file = io.StringIO()
        step(torch.full((2,), float(k)))
        assert kept.file.getvalue() == "".join(f"{2.0 * n}\n" for n in range(k - k % 2, k + 1))
    assert step.programs


def test_one_graph() -> None:
    """`fullgraph` raises where a call is no program, and nowhere else; nothing is said twice."""

    def make(f: Any) -> Any:
        return torch.compile(f, backend="numpy", fullgraph=True)

    assert course("printed", make)[0] == course("printed", lambda f: f)[0]
    with pytest.raises(RuntimeError, match=r"print\(\) must happen"):
        course("of_all_kinds", make)


class Closed:
    """A stream that breaks at a word."""

    def __init__(self, word: str, error: type[BaseException]) -> None:
        self.word, self.error, self.heard = word, error, ""

    def write(self, text: str) -> None:
        if self.word in text:
            raise self.error(self.word)
        self.heard += text


def _broken(world: Any) -> Any:
    state = {"calls": 0}
    schedule = torch.optim.lr_scheduler.StepLR(world.opt, 1, 0.5)

    def step(x: Any) -> Any:
        loss = world.train(x)
        print("first", loss.item())
        print("second", loss.item())
        schedule.step()
        world.heard.append(loss.item())
        state["calls"] += 1
        print("third", loss.item())
        return loss

    return step, state, schedule


@pytest.mark.parametrize("error", [BrokenPipeError, KeyboardInterrupt])
def test_an_error_of_who_is_told(error: type[BaseException]) -> None:
    """It comes out, when all else of the step is done; what came after it is not said."""
    world, x = World(), torch.tensor([1.0, 0.5])
    step, state, schedule = _broken(world)
    compiled = torch.compile(step)
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(3):
            compiled(x)
    assert len(compiled.programs) == 1
    before, out = world.w.tolist(), Closed("second", error)
    with contextlib.redirect_stdout(out), pytest.raises(error):  # type: ignore[type-var]  # it writes
        compiled(x)
    assert out.heard.startswith("first ") and "third" not in out.heard
    assert world.w.tolist() != before and state["calls"] == len(world.heard) == 4
    assert schedule.last_epoch == 4 and world.opt.param_groups[0]["lr"] == 0.125 / 16
    with contextlib.redirect_stdout(io.StringIO()) as fine:
        compiled(x)
    assert fine.getvalue().count("\n") == 3 and len(compiled.programs) == 1


def test_an_error_of_the_call_itself() -> None:
    """What was said before it is said."""

    def step(x: Any, bad: bool) -> Any:
        y = x * 2
        print("twice", y.sum().item())
        if bad:
            raise KeyError(f"mine {y.sum().item():.1f}")
        return y

    compiled = torch.compile(step, backend="numpy")
    for bad in (True, False, False, True):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            error = pytest.raises(KeyError, match=r"mine 4\.0") if bad else contextlib.nullcontext()
            with warnings.catch_warnings(), error:
                warnings.simplefilter("ignore")
                compiled(torch.ones(2), bad)
        assert out.getvalue() == "twice 4.0\n"


def test_streams_that_are_led_elsewhere() -> None:
    """What is said goes where it would go: to the streams of the call, not of the trace."""

    def step(x: Any) -> Any:
        print("sum", x.sum().item())
        return x + 1

    compiled = torch.compile(step, backend="numpy", fullgraph=True)
    for k in range(3):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            compiled(torch.full((2,), float(k)))
        assert out.getvalue() == f"sum {2.0 * k}\n"


def test_code_without_a_file() -> None:
    """A plain `print` needs no file, a text does: without one the call is eager."""
    space: dict[str, Any] = {}
    exec("def plain(x):\n    print('is', x.sum().item(), x)\n    return x + 1\n"
         "def text(x):\n    print(f'is {x.sum().item()}')\n    return x + 1\n", space)  # fmt: skip
    for name, programs in (("plain", 1), ("text", 0)):
        step = torch.compile(space[name], backend="numpy")
        for k in range(3):
            with contextlib.redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                step(torch.full((2,), float(k)))
            with contextlib.redirect_stdout(io.StringIO()) as expected:
                space[name](torch.full((2,), float(k)))
            assert out.getvalue() == expected.getvalue() != ""
        assert len(step.programs) == programs, name


def test_nothing_is_left_behind() -> None:
    """Functions have their own code again, and nobody holds texts of later."""
    function, held = CASES["printed"][1](World()), LIVE[0]
    code = function.__code__
    with contextlib.redirect_stdout(io.StringIO()):
        torch.compile(function, backend="numpy")(torch.tensor([1.0, 0.5]))
    assert function.__code__ is code and [held] == LIVE and sys.getprofile() is None


def _warns(x: Any) -> Any:
    total = (x * 2).sum()
    warnings.warn("always the same")  # noqa: B028  # as users write it
    warnings.warn(f"total {total.item():.1f}", RuntimeWarning)  # noqa: B028  # as users write it
    return total


def _warns_of_the_caller(x: Any) -> Any:
    warnings.warn("of the caller", UserWarning, 2)
    return x * 2


@pytest.mark.parametrize("function", [_warns, _warns_of_the_caller])
def test_warnings_of_a_call_are_given_at_every_call(function: Any) -> None:
    """As from the user's line, so that filters by module and line find it."""
    seen: list[Any] = []
    step = torch.compile(function, backend="numpy")
    for call in (step, function):
        seen.append([])
        for k in range(4):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                call(torch.full((3,), float(k)))
            mine = [x for x in caught if "must happen" not in str(x.message)]
            own = [(x.filename, x.lineno) if function is _warns else () for x in mine]
            seen[-1] += [(str(x.message), x.category, *at) for x, at in zip(mine, own)]
    assert seen[0] == seen[1] and len(seen[0]) == (8 if function is _warns else 4)
    assert len(step.programs) == (1 if function is _warns else 0)

"""Results of a compiled call lie in memory as those of the eager call do: together, or apart."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends


def named(h: Any) -> Any:
    half = h[1:3]
    return {"whole": h, "half": half, "also": [h.detach(), half.t()]}


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "view": lambda h: (h, h.view(-1)),
    "view first": lambda h: (h.view(-1), h),
    "hidden": lambda h: (h.view(-1), h.t()),
    "chunks": lambda h: h.chunk(2),
    "chunks and all": lambda h: (h, *h.chunk(2)),
    "split": lambda h: h.split([1, 3], 1),
    "unbound": lambda h: list(h.unbind(0)),
    "detached": lambda h: (h, h.detach()),
    "detached view": lambda h: (h, h.detach()[1:]),
    "row": lambda h: (h, h[0]),
    "overlapping": lambda h: (h[:3], h[1:]),
    "turned": lambda h: (h, h.T),
    "turned alone": lambda h: h.T,
    "diagonal": lambda h: (h[0], h.diagonal()),
    "expanded": lambda h: (h, h.expand(3, 4, 4)),
    "expanded alone": lambda h: h[:, :1].clone().expand(4, 4),
    "apart without gradient": lambda h: (quietly(h)[8:], h[0]),
    "a part expanded": lambda h: h[1:3].expand(2, 2, 4),
    "views of views": lambda h: (h.view(2, 8), h.view(-1)[2:7], h[2]),
    "copies": lambda h: (h, h.flip(0), h.clone().view(-1)),
    "written": lambda h: (h, h.view(-1)[3:].mul_(2), h.t().contiguous()),
    "twice": lambda h: (h, h, h.view(-1)),
    "in containers": named,
    "without gradient": lambda h: (h, quietly(h)),
    "of a turned one": lambda h: (lambda k: (k, k.view(4, 4), k[1]))(h.T * 2),
}


def quietly(h: Any) -> Any:
    with torch.no_grad():
        return h.view(-1)


def tensors(found: Any) -> list[Any]:
    if isinstance(found, torch.Tensor):
        return [found]
    parts = found.values() if isinstance(found, dict) else found
    return [x for part in parts for x in tensors(part)]


def lying(ys: list[Any]) -> Any:
    """Where results lie beside one another, how, and whose views they are."""
    starts = [y.untyped_storage().data_ptr() for y in ys]
    together = [starts.index(start) for start in starts]
    among = [
        next((k for k, z in enumerate(ys) if z is y._base), -1) for y in ys if y._base is not None
    ]
    steps = [(tuple(y.shape), y.stride(), y.storage_offset()) for y in ys]
    return together, [k for k in among if k >= 0], steps, [y.requires_grad for y in ys]


def through(call: Any, wants: bool, place: int, recorded: bool) -> Any:
    """What a call leaves, a write through one result, and the gradients through all of them."""
    x = torch.arange(16.0).reshape(4, 4).requires_grad_(wants)
    ys = tensors(call(x))
    found: list[Any] = [lying(ys), [y.tolist() for y in ys]]
    y, before = ys[place % len(ys)], [y._version for y in ys]  # of the call's own writes: 0
    try:
        with torch.set_grad_enabled(recorded):
            y.mul_(3.0)
            (y[..., 0] if y.ndim else y).add_(1.0)
    except RuntimeError as error:
        return [*found, str(error).partition("\n")[0]]
    found += [[y.tolist() for y in ys], [y._version - count for y, count in zip(ys, before)]]
    if wants and any(y.requires_grad for y in ys):
        losses: Any = sum((k + 1) * (y * y).sum() for k, y in enumerate(ys))
        losses.backward()
        found.append(x.grad.tolist())
    return found


@backends
@pytest.mark.parametrize("name", PROGRAMS)
def test_results_share_memory_as_eager_ones_do(name, backend):
    def step(x: Any) -> Any:
        return PROGRAMS[name](x * 2 + 1)

    for wants in (False, True):
        call = torch.compile(step, backend=backend)
        for place in (0, 1, -1):
            for recorded in (False, True):
                want = through(step, wants, place, recorded)
                for _ in range(2):
                    have = through(call, wants, place, recorded)
                    assert have[:2] == want[:2]
                    if "is a view and is being modified" not in str(want[2]):
                        assert have[2:] == want[2:]
        assert call.programs and not call.fallbacks


@backends
def test_chunks_are_known_as_views_and_may_be_written_alone(backend):
    call = torch.compile(lambda x: (x + 1).chunk(2), backend=backend)
    for _ in range(3):
        x = torch.zeros(4, requires_grad=True)
        a, b = call(x)
        assert a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
        with torch.no_grad():
            a += 2
        assert (a.tolist(), b.tolist()) == ([3.0, 3.0], [1.0, 1.0])
        (a.sum() + 5 * b.sum()).backward()
        assert x.grad.tolist() == [1.0, 1.0, 5.0, 5.0]


@backends
def test_what_is_kept_shares_memory_with_what_is_returned(backend):
    class Model:
        last: Any = None

        def step(self, x: Any) -> Any:
            y = torch.tanh(x)
            self.last = y[-1].detach()
            return y

    model = Model()
    call = torch.compile(model.step, backend=backend)
    for k in range(4):
        y = call(torch.full((3, 2), float(k)))
        y.zero_()
        assert model.last.tolist() == [0.0, 0.0]
    assert call.programs


@backends
@pytest.mark.parametrize("write", [True, False])
def test_a_result_that_was_overwritten_is_not_differentiated(write, backend):
    """torch refuses that; a program may have kept the value elsewhere."""

    def step(x: Any) -> Any:
        y = torch.exp(x)
        return y, y.view(-1)

    call = torch.compile(step, backend=backend)
    for k in range(3):
        x = torch.arange(4.0).reshape(2, 2).requires_grad_()
        y, flat = call(x)
        wanted = y.tolist()
        with torch.no_grad():
            (flat if write else y).mul_(5)
        try:
            y.sum().backward()
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error)
        else:
            assert k and x.grad.tolist() == wanted


@backends
def test_a_step_that_overwrites_what_its_gradient_needs_is_refused_as_eagerly(backend):
    def step(x: Any) -> Any:
        y = torch.exp(x)
        y.mul_(5)
        y.sum().backward()
        return x.grad

    call = torch.compile(step, backend=backend)
    for run in (step, call, call, call):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            run(torch.arange(4.0, requires_grad=True))


@backends
@pytest.mark.filterwarnings("ignore:compiled step runs eagerly")
def test_the_gradient_of_a_leaf_that_is_returned_too(backend):
    def step(x: Any) -> Any:
        h = (x * 2).detach().requires_grad_()
        return h, h * 3

    call = torch.compile(step, backend=backend)
    for _ in range(4):
        h, y = call(torch.ones(2))
        y.sum().backward()
        assert h.grad.tolist() == [3.0, 3.0]


def test_a_process_that_recalls_a_call_shares_memory_too(tmp_path):
    pytest.importorskip("llvmlite")
    script = tmp_path / "shared.py"
    script.write_text(
        textwrap.dedent("""
            import logging, sys
            logging.basicConfig(stream=sys.stdout, format="%(message)s")
            logging.getLogger("rushlight.compile").setLevel("DEBUG")
            import rushlight as torch

            def step(x):
                h = x
                for k in range(60):
                    h = torch.tanh(h + k) * 0.5 + x
                return h.view(-1), h, h.detach()[1:], (x * 2).chunk(2)

            call = torch.compile(step)
            for k in range(2):
                flat, h, part, (a, b) = call(torch.full((2, 3), float(k)))
                assert flat._base is h and part._base is not h
                before = b.tolist()
                h[1] = 7.0
                a[0] = 9.0
                assert flat.tolist()[3:] == [7.0] * 3 and part.tolist() == [[7.0] * 3]
                assert b.tolist() == before and b._base is a._base is not None
                assert b.data_ptr() - a.data_ptr() == 12 and b._version == 1
            print("fine")
        """)
    )
    said, off = [], ("RUSHLIGHT_KEPT_CALLS", "RUSHLIGHT_COMPILE_CACHE")
    kept = {name: value for name, value in os.environ.items() if name not in off}
    for _ in range(2):
        found = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, check=False,
            env={**kept, "RUSHLIGHT_HOME": str(tmp_path / "home")},
        )  # fmt: skip
        assert found.returncode == 0, found.stdout + found.stderr
        said.append(found.stdout)
    assert "fine" in said[0] and "fine" in said[1]
    assert "recalled a call" in said[1] and "recalled a call" not in said[0]


@backends
@pytest.mark.parametrize("wants", [False, True])
def test_views_of_arguments_and_parameters_are_known_as_such(wants, backend):
    scale = torch.ones(3, requires_grad=wants)

    def step(x: Any) -> Any:
        return x.view(-1), x.expand(2, 3, 3)[0], x.detach().view(9), scale[1:], x * scale

    call = torch.compile(step, backend=backend)
    for run in (step, call, call, call):
        x = torch.arange(9.0).reshape(3, 3).clone().requires_grad_(wants)
        flat, wide, apart, some, y = run(x)
        assert flat._base is x and wide._base is x and some._base is scale
        assert apart._base is not x
        if wants:
            with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
                flat.mul_(2)
            (flat.sum() + 2 * y.sum()).backward()
            assert x.grad.tolist() == [[3.0] * 3] * 3
            x.grad = scale.grad = None
        with torch.no_grad():
            flat.mul_(2)
        assert wide[1].tolist() == [6.0, 8.0, 10.0] == x[1].tolist()


@backends
def test_a_view_of_an_argument_with_a_history_hands_on_what_is_written(backend):
    def step(h: Any) -> Any:
        return h[1:], h * 2

    call = torch.compile(step, backend=backend)
    for run in (step, call, call, call):
        x = torch.arange(3.0, requires_grad=True)
        h = x * 3
        part, y = run(h)
        part.mul_(5)
        (h.sum() + 7 * part.sum() + y.sum()).backward()
        assert h.tolist() == [0.0, 15.0, 30.0] and x.grad.tolist() == [9.0, 126.0, 126.0]

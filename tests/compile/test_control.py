"""cond, while_loop and scan: eager as Python's own, and inside compiled programs."""

from __future__ import annotations

import pytest

import rushlight as rl


def compiled(function, backend):
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    return rl.compile(function, backend=backend, fullgraph=True)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_cond_chooses_at_each_run(backend) -> None:
    w = rl.tensor([2.0, 3.0], requires_grad=True)

    def choose(x):
        y = rl.cond(x.sum() > 0, lambda x: x * w, lambda x: x - w, (x,))
        (grad,) = rl.autograd.grad(y.sum(), w)
        return y.detach(), grad

    step = compiled(choose, backend)
    up, down = rl.tensor([1.0, 4.0]), rl.tensor([-1.0, -4.0])
    step(up)
    for x in (up, down, up):
        for found, wanted in zip(step(x), choose(x)):
            assert rl.equal(found, wanted)
    assert len(step.programs) == 1


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_while_loop_runs_as_long_as_the_values_ask(backend) -> None:
    def doubled(x, limit):
        steps, y = rl.while_loop(
            lambda n, x: x.max() < limit, lambda n, x: (n + 1, 2 * x), (rl.tensor(0), x)
        )
        return steps, y + 1

    step = compiled(doubled, backend)
    for start in (1.0, 3.0, 50.0, 200.0):
        x, limit = rl.tensor([start, 0.5]), rl.tensor(100.0)
        for found, wanted in zip(step(x, limit), doubled(x, limit)):
            assert rl.equal(found, wanted)
    assert len(step.programs) == 1


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_loop_and_its_gradient(backend, reverse) -> None:
    w = rl.randn(3, 3, dtype=rl.float64).requires_grad_()

    def recurrent(xs):
        def cell(h, x):
            h = rl.tanh(x + h @ w)
            return h, h

        last, hs = rl.scan(cell, rl.zeros(2, 3, dtype=rl.float64), xs, reverse=reverse)
        (grad,) = rl.autograd.grad(hs.square().sum() + last.sum(), w)
        return hs.detach(), grad

    step = compiled(recurrent, backend)
    xs = rl.randn(4, 2, 3, dtype=rl.float64)
    step(xs)
    other = rl.randn(4, 2, 3, dtype=rl.float64)
    for found, wanted in zip(step(other), recurrent(other)):
        assert rl.allclose(found, wanted)
    h, rows = rl.zeros(2, 3, dtype=rl.float64), []
    for x in reversed(other) if reverse else other:
        h = rl.tanh(x + h @ w)
        rows.append(h)
    assert rl.allclose(recurrent(other)[0], rl.stack(rows[::-1] if reverse else rows).detach())


def test_branches_of_another_structure_are_refused() -> None:
    step = rl.compile(
        lambda x: rl.cond(x.sum() > 0, lambda x: (x, x), lambda x: x, (x,)), backend="numpy"
    )
    with pytest.raises(RuntimeError, match="same structure"):
        step(rl.ones(2))


def test_a_branch_that_draws_runs_eagerly_and_says_so() -> None:
    step = rl.compile(
        lambda x: rl.cond(x.sum() > 0, lambda x: x + rl.rand(2), lambda x: x, (x,)),
        backend="numpy",
    )
    with pytest.warns(UserWarning, match="draws random numbers"):
        step(rl.ones(2))
    assert not step.programs


def told(x):
    print("more", f"{x.sum().item():.1f}")
    return x * 2


def less(x):
    print("less")
    return x + 1


def drawn(x):
    return x + rl.rand(3)


def broken(x):
    raise ValueError("not to be taken")


def plain(x):
    return x * 3


@pytest.mark.filterwarnings("ignore:compiled .* runs eagerly")
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize(
    "sides", [(told, less), (plain, less), (told, plain), (drawn, plain), (plain, broken)]
)
def test_the_branch_that_is_not_taken_does_nothing(sides, backend, capsys):
    if backend == "llvm":
        pytest.importorskip("llvmlite")

    def step(x):
        y = rl.cond(x.sum() > 1, *sides, (x,))
        print("after")
        return y

    found = []
    for call in (step, rl.compile(step, backend=backend)):
        rl.manual_seed(0)
        seen = []
        for k in (1.0, -1.0, 2.0, 0.0, 3.0):
            try:
                seen.append(call(rl.full((3,), k)).tolist())
            except ValueError as error:
                seen.append(str(error))
        found.append((seen, rl.rand(1).item(), capsys.readouterr().out))
    assert found[0] == found[1]


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_a_loop_that_prints_runs_once_in_every_call(backend, capsys):
    if backend == "llvm":
        pytest.importorskip("llvmlite")

    def body(k, x):
        print("round")
        return k + 1, x * 2

    call = rl.compile(
        lambda x: rl.while_loop(lambda k, x: k < 3, body, (rl.tensor(0), x)), backend=backend
    )
    for _ in range(3):
        assert call(rl.ones(2))[1].tolist() == [8.0, 8.0]
        assert capsys.readouterr().out == "round\n" * 3

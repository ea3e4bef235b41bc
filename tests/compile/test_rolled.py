"""What a call does over and over is found, written once, and means the same."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.compile.middle.graph import Graph
from rushlight.compile.middle.periods import Course
from rushlight.compile.middle.rolled import Loop, Varied, loops, rolled, unrolled
from rushlight.compile.reports import source as writing

STEPS = 6


def rnn(x, w, u):
    h = torch.zeros(4, 5)
    for at in x:
        h = torch.tanh(at @ w + h @ u)
    return h


def rnn_trained(x, w, u):
    w, u = w.detach().requires_grad_(), u.detach().requires_grad_()
    h, states = torch.zeros(4, 5), []
    for at in x:
        h = torch.tanh(at @ w + h @ u)
        states.append(h)
    loss = (torch.stack(states) ** 2).mean()
    loss.backward()
    return loss, w.grad, u.grad


def two_layers(x, w, u):
    a, b = torch.zeros(4, 5), torch.ones(4, 5)
    for at in x:
        a = torch.tanh(at @ w + a @ u)
        b = torch.tanh(a @ u + b @ u)
    return a, b


def dropped(x, w, u):
    h = torch.zeros(4, 5)
    for at in x:
        h = torch.nn.functional.dropout(torch.tanh(at @ w + h @ u), 0.25)
    return h


def unequal(x, w, u):
    h = torch.zeros(4, 5)
    for at in x:
        h = torch.tanh(at @ w + h @ u)
    for _ in range(4):
        h = torch.sigmoid(h @ u) * h - 1
    return h


def one_differs(x, w, u):
    h = torch.zeros(4, 5)
    for t, at in enumerate((*x, *x)):
        h = torch.tanh(at @ w + h @ u)
        if t == 3:
            h = h.exp() - h
    return h


def decoder(x, w, u):
    keys = torch.stack([at @ w for at in x], 1)
    h, found = torch.zeros(4, 5), []
    for at in x:
        query = torch.tanh(h @ u + at @ w)
        shares = torch.softmax(query.unsqueeze(1) @ keys.transpose(1, 2), -1)
        h = (shares @ keys).squeeze(1) + query
        found.append(h)
    return torch.cat(found)


def deep(x, w, u):
    h = x[0] @ w
    for weight in torch.stack([u, u + 1, u - 1, u * 2, u * 3]):
        h = torch.relu(h @ weight + 0.5)
    return h


def inner_optimisation(x, w, u):
    w = w.detach().requires_grad_()
    fast = w
    for _ in range(4):
        loss = ((x[0] @ fast) ** 2).mean()
        (gradient,) = torch.autograd.grad(loss, fast, create_graph=True)
        fast = fast - 0.1 * gradient
    (gradient,) = torch.autograd.grad(((x[1] @ fast) ** 2).mean(), w)
    return fast, gradient


def out_of_order(x, w, u):
    h = torch.zeros(4, 5)
    for t in (3, 0, 5, 1, 4, 2):
        h = torch.tanh(x[t] @ w + h @ u) - x.narrow(0, t, 1).mean()
    return h


def backwards_and_stepping(x, w, u):
    states, h = [], torch.zeros(4, 5)
    for t in range(STEPS):
        h = torch.tanh(x[t] @ w + h @ u)
        states.append(h)
    g = torch.ones(4, 5)
    for t in reversed(range(STEPS)):
        g = (g * states[t] + 1) @ u
    return g


def from_the_first(x, w, u):
    h, first = torch.zeros(4, 5), None
    for at in x:
        h = torch.tanh(at @ w + h @ u)
        first = h if first is None else first
        h = h + first
    return h


def two_steps_back(x, w, u):
    a, b = torch.zeros(4, 5), torch.ones(4, 5)
    for at in x:
        a, b = b, torch.tanh(at @ w + a @ u) + b
    return b


def growing(x, w, u):
    h = x[0] @ w
    for _ in range(4):
        h = torch.cat([h, torch.tanh(h @ u)])
    return h


def numbers_differ(x, w, u):
    h = x[0] @ w
    for k in range(5):
        h = torch.tanh(h @ u) * (0.5**k) + 0.25
    return h


def some_given_back(x, w, u):
    w = w.detach().requires_grad_()
    h, states = torch.zeros(4, 5), []
    for at in x:
        h = torch.tanh(at @ w + h @ u)
        states.append(h)
    (h * h).sum().backward()
    return states[2], w.grad, states[4].detach()


def nothing_repeats(x, w, u):
    return torch.tanh(x[0] @ w).exp().sum() + u.mean()


# of each loop that is found the steps, and the nodes of a step
LOOPS = {
    rnn: [(STEPS, 4)], rnn_trained: [(STEPS, 4), (STEPS - 2, 12)], two_layers: [(STEPS, 8)],
    dropped: [(STEPS, 6)], unequal: [(STEPS, 4), (4, 4)], one_differs: [(4, 4), (8, 4)],
    decoder: [(STEPS, 11)], deep: [(5, 3)], inner_optimisation: [(4, 15), (4, 16)],
    out_of_order: [(STEPS, 8)], backwards_and_stepping: [(STEPS, 5), (STEPS, 3)],
    from_the_first: [(STEPS - 1, 5)], two_steps_back: [(STEPS - 1, 5)], growing: [],
    numbers_differ: [(5, 4)], nothing_repeats: [],
    some_given_back: [(STEPS, 4), (STEPS - 2, 8)],
}  # fmt: skip


def given():
    torch.manual_seed(0)
    return torch.randn(STEPS, 4, 3), torch.randn(3, 5), torch.randn(5, 5)


def flat(found):
    many = found if isinstance(found, tuple) else (found,)
    return [x.detach().numpy() for x in many]


def captured(function):
    compiled = torch.compile(function, backend="numpy", fullgraph=True)
    compiled(*given())
    return compiled


def meaning(graph: Graph):
    """The outputs and effects as numbers, equal for graphs that compute the same in one way."""
    known = {}
    for node in graph.nodes:
        params = repr(node.params)
        if node.op == "constant":
            params = node.params[0].tobytes()
        elif node.op == "input":
            params = graph.inputs.index(node)
        reads = tuple(known[x] for x in node.inputs)
        known[node] = hash((node.op, params, node.shape, node.dtype, reads))
    return [known[x] for x in (*graph.outputs, *graph.effects)]


@pytest.mark.parametrize("function", LOOPS, ids=lambda function: function.__name__)
def test_loops_are_found(function):
    found = Course(captured(function).graph()).periods()
    assert [(one.count, one.size) for one in found] == LOOPS[function]


@pytest.mark.parametrize("function", LOOPS, ids=lambda function: function.__name__)
def test_a_rolled_graph_is_the_graph(function):
    graph = captured(function).graph()
    small = rolled(graph)
    assert meaning(unrolled(small)) == meaning(graph)
    assert (small is graph) == (not LOOPS[function])


@pytest.mark.parametrize("function", LOOPS, ids=lambda function: function.__name__)
def test_the_numpy_program_runs_loops(function, monkeypatch):
    torch.manual_seed(7)
    compiled = captured(function)
    state = torch.get_rng_state()
    again = flat(compiled(*given()))
    torch.set_rng_state(state)
    eager = flat(function(*given()))
    text = compiled.source()
    assert text.count("for t in range(") == len(LOOPS[function])
    monkeypatch.setattr(writing, "rolled", lambda graph: graph)
    written_out = captured(function)
    assert "for t" not in written_out.source()
    torch.set_rng_state(state)
    plain = flat(written_out(*given()))
    for x, y, z in zip(again, plain, eager, strict=True):
        assert x.tobytes() == y.tobytes()
        assert np.allclose(x, z, rtol=1e-5, atol=1e-6)


def test_a_loop_says_what_it_carries_and_picks():
    graph = rolled(captured(rnn_trained).graph())
    forwards, back = loops(graph)
    one, two = forwards.params[0], back.params[0]
    assert isinstance(one, Loop) and isinstance(two, Loop)
    assert (one.carried, one.same, len(one.picks), one.stacked) == (1, 2, 1, [True])
    assert one.picks[0].stack and (one.picks[0].first, one.picks[0].step) == (0, 1)
    # back through time: the state's gradient and those of the weights; states from the last on
    assert two.carried == 3 and not any(two.stacked)
    assert [(p.stack, p.first, p.step) for p in two.picks] == [
        (True, STEPS - 2, -1), (True, STEPS - 3, -1), (False, 0, 1), (True, STEPS - 2, -1),
    ]  # fmt: skip
    assert str(one) == f"{STEPS} times: 2 matmul, add, tanh"


def test_numbers_along_the_steps():
    assert str(Varied((0, 32, 64))) == "32 * t"
    assert str(Varied((5, 4, 3))) == "5 - t"
    assert str(Varied((3, 0, 5))) == "(3, 0, 5)[t]"
    graph = captured(backwards_and_stepping).graph()
    (forwards, _) = loops(rolled(graph))
    assert [str(node.params) for node in forwards.params[0].nodes if node.op == "select"] == [
        "(0, Varied(values=(0, 1, 2, 3, 4, 5)))"
    ]


def test_source_of_a_loop():
    lines = [line.strip() for line in captured(rnn).source().splitlines()]
    head = lines.index(f"for t in range({STEPS}):  # {STEPS} times")
    assert lines[head + 1] == "v3 = v1[t] @ x1  # 4x5"
    assert len(lines) < 25


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_the_report_and_the_picture_tell_loops(backend):
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    compiled = torch.compile(rnn_trained, backend=backend)
    compiled(*given())
    report = compiled.explain()
    times = [(loop["times"], loop["nodes"]) for loop in report.programs[0]["loops"]]
    assert times == LOOPS[rnn_trained]
    assert f"{STEPS} times: 2 matmul, add, tanh; carries 1, picks 1" in str(report)
    assert "test_rolled.py" in report.programs[0]["loops"][0]["lines"][0]
    titles = [box.title for box in compiled.picture(limit=20).boxes]
    assert f"{STEPS} times: 2 matmul, add, tanh" in titles
    assert any(title.startswith(f"{STEPS - 2} times: ") for title in titles)


def test_memory_is_given_back_inside_of_loops():
    """What a loop kept for the way back is let go step by step."""
    text = captured(rnn_trained).source()
    last = text[text.rindex("for t in range(") :]
    states = text[: text.index(".append(")].rpartition(" ")[2]
    # the states before each step and after it are read: the later one is done
    assert f"{states}[{STEPS - 2} - t] = None" in last and last.count("] = None") == 1


def test_a_loop_of_random_numbers_draws_in_order():
    compiled = captured(dropped)
    (loop,) = loops(rolled(compiled.graph()))
    assert [node.op for node in loop.params[0].body.effects] == ["draw"]
    one = compiled(*given())  # which seeds the generator
    after = torch.get_rng_state()
    assert torch.allclose(one, dropped(*given()))
    assert torch.equal(torch.get_rng_state(), after)

"""What a program cannot hold: each case is a sentence with the user's line, and right numbers."""

import logging
import queue
import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rushlight as torch

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.25, -1.0]])
KEPT: dict = {}


def in_a_thread(x):
    found = []
    thread = threading.Thread(target=lambda: found.append(x.sum()))
    thread.start()
    thread.join()
    return found[0]


def in_a_pool(x):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: x.sum()).result()


def from_a_file(x):
    with open(__file__) as file:
        return x * len(file.readline())


def counted(x):
    KEPT["calls"] = KEPT.pop("calls") + 1
    return x * KEPT["calls"]


def logged(x):
    logging.getLogger("rushlight.tests").warning("called")
    return x


def queued(x):
    EVENTS.put(1)
    return x


EVENTS: queue.Queue[int] = queue.Queue()
EAGER = {
    "a record": (logged, r"warning\(\) must happen at every call"),
    "an event": (queued, r"put\(\) must happen at every call"),
    "a thread": (in_a_thread, r"start\(\) must happen at every call"),
    "a pool": (in_a_pool, r"submit\(\) must happen at every call"),
    "a file": (from_a_file, r"open\(\) must happen at every call"),
    "a path": (lambda x: x + Path(__file__).exists(), r"exists\(\) must happen at every call"),
    "a container": (counted, "the call changes|must happen at every call"),
    "an address": (lambda x: x + x.data_ptr() * 0, "needs the value of a tensor"),
    "a generator": (lambda x: (y for y in x), "it returns a generator, which is not a tensor"),
    "a set": (lambda x: {1}, "it returns a set, which is not a tensor"),
    "turned": (lambda x: x.t_(), "gets another shape or other memory"),
    "resized": (lambda x: x.unsqueeze_(0), "gets another shape or other memory"),
    "a value": (lambda x: x * len(str(x.sum().item())), "a text needs the value of a tensor"),
}


@pytest.mark.parametrize("name", EAGER)
def test_it_stays_eager_and_says_why(name):
    function, said = EAGER[name]
    step, texts = torch.compile(function), []
    for turn in range(4):
        a, b = X + turn, X + turn
        KEPT.clear()
        KEPT["calls"] = turn
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            got = step(a)
        KEPT["calls"] = turn
        want = function(b)
        if isinstance(want, torch.Tensor):
            assert torch.equal(got, want)
        assert a.shape == b.shape and torch.equal(a, b)
        texts += [str(warning.message) for warning in caught]
    (text,) = texts
    assert re.search(said, text) and "runs eagerly" in text, text
    assert re.search(r"test_bad_input\.py:\d+", text), text
    assert not step.programs
    strict = torch.compile(function, fullgraph=True)
    with pytest.raises(RuntimeError, match=said):
        for _ in range(4):
            strict(X.clone())


@pytest.mark.parametrize(("device", "error"), [("cuda", AssertionError), ("xyz", RuntimeError)])
def test_another_device_is_the_eager_error(device, error):
    step = torch.compile(lambda x: x.to(device))
    for _ in range(3):
        with pytest.raises(error) as caught:
            step(X)
        with pytest.raises(error) as eager:
            X.to(device)
        assert str(caught.value).splitlines()[0] == str(eager.value).splitlines()[0]


def test_structure_that_changes_is_another_program():
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh())
    step = torch.compile(lambda x: net(x))
    plain = lambda x: net._modules["0"](x)
    with torch.no_grad():
        assert torch.allclose(step(X), plain(X).tanh())
        net[1] = torch.nn.ReLU()
        assert torch.allclose(step(X), plain(X).relu())
        net.append(torch.nn.Sigmoid())
        assert torch.allclose(step(X), plain(X).relu().sigmoid())
        net[0] = torch.nn.Linear(3, 3, bias=False)
        assert torch.allclose(step(X), plain(X).relu().sigmoid())
        del net[2]
        assert torch.allclose(step(X), plain(X).relu())
    assert len(step.programs) == 5


def test_arguments_of_another_structure_are_another_program():
    def total(xs, scale=1.0, *, key=None):
        found = sum(x.sum() for x in (xs.values() if isinstance(xs, dict) else xs)) * scale
        return found if key is None else found + key

    step = torch.compile(total)
    calls = [([X],), ([X, X + 1],), ((X, X + 1),), ({"a": X, "b": X * 2},), ({"b": X, "a": X},),
             ([X], 2.0), ([X], 3.0)]  # fmt: skip
    for _ in range(2):
        for call in calls:
            assert torch.allclose(step(*call), total(*call)), call
        assert torch.allclose(step([X], key=X[0, 0]), total([X], key=X[0, 0]))


def test_an_error_inside_a_trace_leaves_no_half_state():
    weight = torch.zeros(3, requires_grad=True)
    bad = [True]

    def step(x):
        loss = (x * weight).sum()
        loss.backward()
        if bad[0]:
            raise KeyError("mine")
        return loss

    compiled = torch.compile(step)
    with pytest.raises(KeyError, match="mine"):
        compiled(X)
    assert torch.equal(weight.grad, X.sum(0)) and type(weight._array).__name__ == "ndarray"
    bad[0], weight.grad = False, None
    for _ in range(3):
        weight.grad = None
        compiled(X)
        assert torch.equal(weight.grad, X.sum(0))


def test_two_programs_at_once_and_one_from_many_threads():
    weight = torch.randn(40, 40)
    first = torch.compile(lambda x: (x @ weight).tanh().sum(1))
    second = torch.compile(lambda x: (x @ weight.T).exp().sum(0))
    xs = [torch.randn(30, 40) / 10 for _ in range(8)]
    wanted = [((x @ weight).tanh().sum(1), (x @ weight.T).exp().sum(0)) for x in xs]
    wrong = []

    def work(place):
        for turn in range(60):
            x, (a, b) = xs[(place + turn) % 8], wanted[(place + turn) % 8]
            if not (torch.allclose(first(x), a, atol=1e-4) and torch.allclose(second(x), b, 1e-4)):
                wrong.append((place, turn))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(first.programs) <= 4 and len(second.programs) <= 4


def test_another_number_of_threads_between_calls():
    weight = torch.randn(256, 256)
    step = torch.compile(lambda x: (x @ weight).relu() @ weight.T)
    x = torch.randn(256, 256)
    before, wanted = torch.get_num_threads(), (x @ weight).relu() @ weight.T
    try:
        for count in (1, 3, 2, 1):
            torch.set_num_threads(count)
            for _ in range(3):
                assert torch.allclose(step(x), wanted, rtol=1e-4, atol=1e-2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("around", [torch.compile, torch.func.vmap])
def test_numbers_that_an_op_refuses_are_refused_below_a_trace_and_a_batch_too(around):
    powers = around(lambda x: x**-1)
    with pytest.raises(RuntimeError, match="Integers to negative integer powers are not allowed"):
        powers(torch.tensor([2, 3]))
    assert powers(torch.tensor([2.0, 4.0])).tolist() == [0.5, 0.25]
    assert around(lambda x: 3**x)(torch.tensor([2, -2])).tolist() == [9, 0]

"""What `FlopCounterMode` counts: products however they are spelt, and layers of steps."""

import pytest

import rushlight as rl
from rushlight.utils.flop_counter import FlopCounterMode


def count(function, *shapes):
    xs = [rl.ones(shape) for shape in shapes]
    with FlopCounterMode(display=False) as counter:
        function(*xs)
    return counter.get_total_flops()


@pytest.mark.parametrize(("said", "shapes", "work"), [
    (lambda a, b: rl.einsum("ab,bc->ac", a, b), [(6, 7), (7, 8)], 6 * 7 * 8),
    (lambda a, b: rl.einsum("bhqd,bhkd->bhqk", a, b), [(2, 3, 4, 5), (2, 3, 6, 5)], 6 * 4 * 5 * 6),
    (lambda a, b: rl.einsum("i,j->ij", a, b), [(2,), (3,)], 0),
    (lambda a: rl.einsum("ii->i", a), [(3, 3)], 0),
    (rl.inner, [(3, 4), (5, 4)], 3 * 4 * 5),
    (lambda a: rl.linalg.matrix_power(a, 5), [(3, 3)], 3 * 27),
])  # fmt: skip
def test_products_count_however_they_are_spelt(said, shapes, work):
    assert count(said, *shapes) == 2 * work


def test_gradients_of_an_einsum_count():
    def step(a, b):
        rl.einsum("ab,bc->ac", a.requires_grad_(), b.requires_grad_()).sum().backward()

    assert count(step, (6, 7), (7, 8)) == 3 * 2 * 6 * 7 * 8


@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_recurrent_layers_count_both_products_of_each_step(kind):
    net, gates = getattr(rl.nn, kind)(4, 5), {"RNN": 1, "GRU": 3}[kind]
    work = 2 * 3 * 2 * (4 + 5) * 5 * gates
    with rl.no_grad():
        assert count(net, (3, 2, 4)) == work
    cell = getattr(rl.nn, f"{kind}Cell")(4, 5)
    assert count(cell, (6, 4)) == work
    if kind == "GRU":
        assert count(lambda x: net(x.requires_grad_())[0].sum().backward(), (3, 2, 4)) == 3 * work


@pytest.mark.parametrize("make", [
    lambda: rl.nn.Embedding(4, 5), lambda: rl.nn.init.uniform_(rl.nn.Parameter(rl.ones(2))),
    lambda: rl.nn.init.zeros_(rl.nn.Parameter(rl.ones(2))),
    lambda: rl.nn.TransformerEncoderLayer(8, 2, 16),
])  # fmt: skip
def test_layers_are_made_while_work_is_counted(make):
    assert count(make) == 0

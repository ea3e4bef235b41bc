"""Recurrent layers in types of 16 bits: rounded where torch rounds them (and oneDNN, for an LSTM).

`tests/live/test_recurrent_halves.py` compares them with torch itself.
"""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.core import heavy

F = torch.nn.functional
HALVES = [torch.bfloat16, torch.float16]


def steps(mode: str, x: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    """The outputs of a layer by ops on short numbers, each of which rounds."""
    w_ih, w_hh, b_ih, b_hh = weights
    h = c = x.new_zeros(x.shape[1], w_hh.shape[1])
    found = []
    for gates in F.linear(x, w_ih, b_ih):
        share = F.linear(h, w_hh, b_hh)
        if mode == "RNN":
            h = (gates + share).tanh()
        elif mode == "GRU":
            (a, b, new), (e, f, own) = gates.chunk(3, 1), share.chunk(3, 1)
            new = (new + own * (a + e).sigmoid()).tanh()
            h = (h - new) * (b + f).sigmoid() + new
        else:
            i, f, g, o = (gates + share).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        found.append(h)
    return torch.stack(found)


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("mode", ["RNN", "GRU", "LSTM"])
def test_layers_are_rounded_after_each_op(mode: str, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    net = getattr(torch.nn, mode)(5, 6).to(kind)
    x = torch.randn(7, 3, 5).to(kind)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, [7, 7, 7])
    wanted = steps(mode, x, list(net.parameters()))
    outputs = [net(packed)[0].data.view_as(wanted)]  # which oneDNN does not take
    if (mode, kind) != ("LSTM", torch.bfloat16):
        outputs.append(net(x)[0])
    for found in outputs:
        assert found.dtype == kind
        assert torch.equal(found, wanted)


def short(x: torch.Tensor) -> torch.Tensor:
    return x.bfloat16().float()


def lstm(x: torch.Tensor, g: torch.Tensor, weights: list[torch.Tensor]) -> list[torch.Tensor]:
    """oneDNN's LSTM in bfloat16 in float32: outputs, gradients of x, the weights and the biases."""
    w_ih, w_hh, b_ih, b_hh = weights
    bias = short(b_ih + b_hh)
    h = c = x.new_zeros(x.shape[1], w_hh.shape[1])
    outputs, met, kept = [], [], []
    for row in x:
        met.append(h)
        i, f, n, o = (row @ w_ih.T + h @ w_hh.T + bias).chunk(4, 1)
        doors = i.sigmoid(), f.sigmoid(), n.tanh(), o.sigmoid()
        before, c = c, doors[1] * c + doors[0] * doors[2]
        h, c = short(doors[3] * c.tanh()), short(c)
        outputs.append(h)
        kept.append((*map(short, doors), before, c.tanh()))
    by_h, by_c, by_gates = torch.zeros_like(h), torch.zeros_like(c), []
    for row, (i, f, n, o, before, bent) in zip(reversed(g), reversed(kept)):
        by_h = by_h + row
        by_c = by_c + by_h * o * (1 - bent * bent)
        parts = by_c * n * i * (1 - i), by_c * before * f * (1 - f), by_c * i * (1 - n * n)
        by_gates.insert(0, short(torch.cat([*parts, by_h * bent * o * (1 - o)], 1)))
        by_h, by_c = by_gates[0] @ w_hh, by_c * f
    d, size = torch.stack(by_gates), w_ih.shape[0]
    rows, states = x.flatten(0, 1), torch.stack(met).flatten(0, 1)
    flat = d.reshape(-1, size)
    return [torch.stack(outputs), d @ w_ih, flat.T @ rows, flat.T @ states, flat.sum(0)]


@pytest.mark.parametrize("autocast", [False, True])
def test_an_lstm_keeps_what_onednn_keeps(autocast: bool) -> None:
    torch.manual_seed(1)
    net = torch.nn.LSTM(5, 6)
    x, g = (torch.randn(7, 3, n).bfloat16() for n in (5, 6))
    for one in net.parameters():
        one.data = short(one.data)
    wanted = lstm(x.float(), g.float(), [one.detach() for one in net.parameters()])
    given = (x.float() if autocast else x).requires_grad_()
    net = net if autocast else net.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        y, _ = net(given)
    y.backward(g)
    found = [y, given.grad, *[one.grad for one in net.parameters()][:3]]
    for one, other in zip(found, wanted):
        alike = (one.bfloat16() == other.bfloat16()).float().mean()
        assert alike > 0.98, alike  # a sum in another order may round to the neighbour


def test_a_gru_under_autocast_multiplies_short_numbers() -> None:
    torch.manual_seed(2)
    net, x = torch.nn.GRU(5, 6), torch.randn(7, 3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, state = net(x)
        wanted = steps("GRU", x, list(net.parameters()))
    assert found.dtype == state.dtype == torch.float32
    assert torch.equal(found, wanted)
    assert not torch.equal(found, net(x)[0])


@pytest.mark.parametrize("mode", ["RNN", "GRU", "LSTM"])
def test_cells_are_rounded_after_each_op(mode: str) -> None:
    torch.manual_seed(3)
    cell = getattr(torch.nn, mode + "Cell")(5, 6).bfloat16()
    x = torch.randn(1, 3, 5).bfloat16()
    found = cell(x[0])
    wanted = steps(mode, x, list(cell.parameters()))[0]
    assert torch.equal(found[0] if mode == "LSTM" else found, wanted)


@pytest.mark.parametrize("layers", [1, 2])
def test_members_and_second_derivatives_of_a_short_lstm(layers: int) -> None:
    torch.manual_seed(4)
    nets = [torch.nn.LSTM(3, 4, layers).bfloat16() for _ in range(3)]
    x = torch.randn(5, 2, 3).bfloat16()
    params, buffers = torch.func.stack_module_state(nets)

    def run(params: dict, buffers: dict) -> torch.Tensor:
        return torch.func.functional_call(nets[0], (params, buffers), (x,))[0]

    found = torch.func.vmap(run)(params, buffers)
    assert torch.equal(found, torch.stack([net(x)[0] for net in nets]))
    x.requires_grad_()
    (once,) = torch.autograd.grad(nets[0](x)[0].float().sum(), x, create_graph=True)
    (twice,) = torch.autograd.grad(once.float().square().sum(), x)
    wide = torch.nn.LSTM(3, 4, layers)
    wide.load_state_dict({name: one.float() for name, one in nets[0].state_dict().items()})
    z = x.detach().float().requires_grad_()
    (first,) = torch.autograd.grad(wide(z)[0].sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), z)
    assert torch.allclose(once.float(), first, atol=0.02, rtol=0.05)
    assert torch.allclose(twice.float(), second, atol=0.02, rtol=0.1)


@pytest.mark.parametrize("mode", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("cell", [False, True])
def test_autocast_leaves_float64_alone(mode: str, cell: bool) -> None:
    torch.manual_seed(5)
    net = getattr(torch.nn, mode + "Cell" * cell)(5, 6).double()
    x = torch.randn(4, 3, 5).double()
    x = x[0] if cell else x
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(x)
    wanted = net(x)
    one, other = (y[0] if isinstance(y, tuple) else y for y in (found, wanted))
    assert one.dtype == torch.float64
    assert torch.equal(one, other)


def test_results_of_short_ops_have_torchs_nodes() -> None:
    x = torch.randn(4, 3, 5).bfloat16()
    for net in (torch.nn.RNN(5, 6), torch.nn.GRU(5, 6)):
        assert "StackBackward0" in repr(net.bfloat16()(x)[0])
    assert "GluBackward0" in repr(F.glu(torch.randn(2, 4).bfloat16().requires_grad_()))


def outcome(net: torch.nn.Module, x: torch.Tensor, autocast: bool) -> list[torch.Tensor]:
    """Outputs, last states, gradients of x, of the first states and of the parameters."""
    x = x.clone().requires_grad_()
    first = [torch.randn(1, x.shape[1], 96).to(x.dtype).requires_grad_() for _ in range(2)]
    lstm = isinstance(net, torch.nn.LSTM)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        y, ends = net(x, tuple(first) if lstm else first[0])
    ends = ends if lstm else (ends,)
    given = [x, *first[: len(ends)], *net.parameters()]
    gs = [torch.randn(*one.shape).to(one.dtype) for one in (y, *ends)]
    return [y, *ends, *torch.autograd.grad((y, *ends), given, gs)]


@pytest.mark.parametrize("kind", [*HALVES, torch.float32], ids=str)  # the last under autocast
@pytest.mark.parametrize("mode", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"nonlinearity": "relu"}], ids=str)
def test_programs_of_steps_give_the_numbers_of_ops(
    mode: str, kind: torch.dtype, options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "nonlinearity" in options and mode != "RNN":
        pytest.skip("an option of RNN alone")
    if not heavy.able():
        pytest.skip("without a compiler there are no programs")
    torch.manual_seed(6)
    net = getattr(torch.nn, mode)(12, 96, **options).to(kind)
    x, found = torch.randn(6, 24, 12).to(kind), []
    for on in (True, False):
        monkeypatch.setattr(heavy.SWITCH, "on", on)
        torch.manual_seed(7)
        found.append(outcome(net, x, kind == torch.float32))
    made = [name for (name, *_), run in heavy.FORMS.items() if run]
    assert any(name.startswith((mode, "short")) for name in made)
    for one, other in zip(*found):
        assert one.dtype == other.dtype
        alike = (one == other).float().mean()
        assert alike > 0.98, alike  # a tanh that is off by one may round to the neighbour

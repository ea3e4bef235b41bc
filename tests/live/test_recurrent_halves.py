"""Recurrent layers of 16 bits and under autocast beside torch: equal but for orders of sums."""

from __future__ import annotations

import pytest

import rushlight

torch = pytest.importorskip("torch")

LARGE = {"hidden_size": 96}  # whose steps are programs
OPTIONS = [{}, {"num_layers": 2}, {"bidirectional": True}, LARGE, {"bias": False, **LARGE}]


def run(t, mode, kind, options):
    t.manual_seed(0)
    options = {"hidden_size": 16, **options}
    net = getattr(t.nn, mode)(12, **options)
    t.manual_seed(1)
    x = t.randn(6, options["hidden_size"] // 4, 12, requires_grad=True)
    if kind == "autocast":
        with t.autocast("cpu", dtype=t.bfloat16):
            y, ends = net(x)
    else:
        net = net.to(getattr(t, kind))
        y, ends = net(x.to(getattr(t, kind)))
    ends = ends if isinstance(ends, tuple) else (ends,)
    t.manual_seed(2)
    y.backward(t.randn(*y.shape).to(y.dtype))
    found = [y, *ends, x.grad, *[one.grad for one in net.parameters()]]
    return [(str(one.dtype), one.detach().float().numpy()) for one in found], len(ends) + 1


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "autocast"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("mode", ["RNN", "GRU", "LSTM"])
def test_layers_round_as_torchs(mode, options, kind):
    (ours, results), (theirs, _) = (run(t, mode, kind, options) for t in (rushlight, torch))
    exact = mode == "LSTM" and kind != "float16" and torch.backends.mkldnn.is_available()
    for k, ((a, x), (b, y)) in enumerate(zip(ours, theirs)):
        assert a == b
        if k < results or exact:
            assert (x == y).mean() > 0.95
        assert abs(x - y).max() <= 0.03 * abs(y).max() + 1e-3

"""Results that torch lays out in row-major order, whatever the order of the operand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import rushlight as torch

F = torch.nn.functional
Call = Callable[[torch.Tensor], torch.Tensor]

# What torch 2.13 gives for each of these has `is_contiguous()`, for both operands below.
CALLS: dict[str, Call] = {
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "linear": lambda x: F.linear(x, torch.ones(3, x.shape[-1])),
    "linear with bias": lambda x: F.linear(x, torch.ones(3, x.shape[-1]), torch.ones(3)),
    "matmul": lambda x: x @ x.transpose(-1, -2),
    "matmul by a vector": lambda x: x @ torch.ones(x.shape[-1]),
    "masked_fill": lambda x: x.masked_fill(x > 0, -1.0),
    "tril": torch.tril,
    "triu": torch.triu,
    "cat": lambda x: torch.cat([x, x]),
    "stack": lambda x: torch.stack([x, x]),
    "roll": lambda x: x.roll(1, 0),
    "cumsum": lambda x: x.cumsum(0),
    "cumprod": lambda x: x.cumprod(-1),
    "cummax": lambda x: x.cummax(0)[0],
    "logcumsumexp": lambda x: x.logcumsumexp(0),
    "sum": lambda x: x.sum(0),
    "mean": lambda x: x.mean(-1, keepdim=True),
    "var": lambda x: x.var(0),
    "std": lambda x: x.std(-1),
    "prod": lambda x: x.prod(0),
    "amax": lambda x: x.amax(0),
    "max": lambda x: x.max(-1)[0],
    "all": lambda x: x.all(0),
    "logsumexp": lambda x: x.logsumexp(0),
    "norm": lambda x: x.norm(dim=0),
    "median": lambda x: x.median(0)[0],
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("order", [(2, 0, 1, 3), (0, 2, 3, 1), (0, 1, 3, 2)])
def test_a_view_of_the_result_is_taken(name: str, order: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    shape = [0] * 4
    for place, size in zip(order, (2, 3, 4, 5)):
        shape[place] = size
    x = torch.randn(*shape).permute(order)
    y = CALLS[name](x)
    assert y.is_contiguous()
    assert torch.allclose(y, CALLS[name](x.contiguous()), atol=1e-6)


def test_dropout_after_permuted_attention_draws_as_torch() -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 3, 4).transpose(1, 2)
    kept = F.dropout(scores.softmax(-1), 0.5) != 0
    assert kept.int().tolist() == [
        [[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]],
        [[1, 1, 1], [0, 0, 1], [0, 1, 1], [1, 0, 1]],
    ]  # torch's draws


def test_linear_layers_of_large_permuted_batches_are_row_major() -> None:
    x = torch.randn(40, 30, 64).transpose(0, 1)
    layer = torch.nn.Linear(64, 32)
    for _ in range(3):  # a native program from the second call on
        assert layer(x).is_contiguous()

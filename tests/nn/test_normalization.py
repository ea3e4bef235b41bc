"""How the results of norms lie."""

from __future__ import annotations

import pytest

import rushlight as rl


@pytest.mark.parametrize("training", (True, False))
def test_a_batchs_norm_lies_in_order_or_channels_last(training: bool) -> None:
    """As in torch: what follows draws its numbers in the order in which results lie."""

    def norm(x: rl.Tensor) -> rl.Tensor:
        return rl.nn.functional.batch_norm(x, rl.zeros(3), rl.ones(3), training=training)

    def strides(x: rl.Tensor) -> tuple[int, ...]:
        y = norm(x)
        assert rl.allclose(y, norm(x.contiguous()), atol=1e-6)
        return y.stride()

    assert strides(rl.randn(2, 5, 3).transpose(1, 2)) == (15, 5, 1)
    assert strides(rl.randn(3, 4).t()) == (3, 1)
    assert strides(rl.randn(5, 3, 2, 4).transpose(0, 2)) == (60, 20, 4, 1)
    last = rl.randn(2, 3, 4, 5).to(memory_format=rl.channels_last)
    assert strides(last) == last.stride()
    assert rl.nn.functional.rms_norm(rl.randn(4, 3).t(), (4,)).stride() == (4, 1)

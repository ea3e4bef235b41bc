"""How compile is asked for, and how it speaks: torch's options, the limit, one warning."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import rushlight as rl

OPTIONS: list[dict[str, Any]] = [
    {"mode": "default"}, {"mode": "reduce-overhead"}, {"mode": "max-autotune"}, {"dynamic": True},
    {"dynamic": False}, {"fullgraph": True}, {"backend": "inductor"}, {"backend": "numpy"},
    {"backend": "eager"}, {"options": {"trace.enabled": True}}, {"disable": True},
]  # fmt: skip


def trained(decorate: Any) -> list[float]:
    rl.manual_seed(0)
    net = rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.Dropout(0.3), rl.nn.Linear(4, 1))
    optimizer = rl.optim.Adam(net.parameters(), lr=0.05)
    x, y = rl.randn(6, 3), rl.randn(6, 1)

    @decorate
    def step() -> Any:
        optimizer.zero_grad()
        loss = rl.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return [step().item() for _ in range(4)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_torchs_options_are_taken(options: dict[str, Any]) -> None:
    assert trained(rl.compile(**options)) == pytest.approx(trained(lambda f: f), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "nothing"}, "Invalid backend: 'nothing'"),
        ({"mode": "x"}, "Unrecognized mode=x"),
    ],
)
def test_others_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        rl.compile(lambda x: x, **options)(rl.ones(1))


def test_beyond_the_limit_calls_run_eagerly_and_one_warning_says_so(capfd: Any) -> None:
    double = rl.compile(lambda x: x * 2, recompile_limit=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [double(rl.ones(n)).sum().item() for n in range(1, 6)]
    assert found == [2, 4, 6, 8, 10] and len(double.explain().programs) == 2
    assert len(caught) == 1 and "2 programs were made" in str(caught[0].message)
    assert caught[0].filename == __file__  # the line of the call
    assert capfd.readouterr() == ("", "")  # and nothing is printed beside it


def test_a_fallback_is_told_once_at_the_line_of_the_call(capfd: Any) -> None:
    @rl.compile
    def signed(x: Any) -> Any:
        return -x if str(x.sum().item()).startswith("-") else x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [signed(rl.full((2,), v)).sum().item() for v in (1.0, -2.0, 3.0)] == [2, 4, 6]
    assert len(caught) == 1 and caught[0].filename == __file__
    assert "a text needs the value of a tensor" in str(caught[0].message)
    assert "in signed)" in str(caught[0].message)
    assert capfd.readouterr() == ("", "")

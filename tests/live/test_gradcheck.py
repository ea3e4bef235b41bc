"""gradcheck beside torch's: the same verdicts and, where it fails, the same first lines."""

from __future__ import annotations

import warnings

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

CASES = {
    "right": lambda t: (t.sin, {}),
    "two outputs": lambda t: (lambda x: (x.exp(), x * x), {}),
    "forward": lambda t: (t.tanh, {"check_forward_ad": True}),
    "batched": lambda t: (t.cos, {"check_batched_grad": True}),
    "fast": lambda t: (lambda x: x.prod(), {"fast_mode": True}),
    "detached": lambda t: (lambda x: x.detach() * 2, {}),
    "half detached": lambda t: (lambda x: x * x.detach(), {}),
    "half detached, quiet": lambda t: (lambda x: x * x.detach(), {"raise_exception": False}),
    "constant": lambda t: (lambda x: t.ones(2), {}),
    "no check": lambda t: (t.sin, {"check_backward_ad": False}),
    "batched forward alone": lambda t: (t.sin, {"check_batched_forward_grad": True}),
    "loose": lambda t: (lambda x: x * x.detach(), {"atol": 10.0}),
    "coarse step": lambda t: (t.exp, {"eps": 0.5}),
}


def verdict(library, make):
    function, settings = make(library)
    x = library.tensor([0.5, 2.0], dtype=library.float64, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return library.autograd.gradcheck(function, x, **settings)
        except (RuntimeError, AssertionError) as error:
            return type(error).__name__, str(error)


@pytest.mark.parametrize("name", CASES)
def test_the_same_verdict(name):
    assert verdict(rl, CASES[name]) == verdict(torch, CASES[name])


@pytest.mark.parametrize(
    "settings", [{}, {"check_fwd_over_rev": True}, {"check_rev_over_rev": False}]
)
def test_the_same_second_verdict(settings):
    def second(library):
        x = library.tensor([0.5, 2.0], dtype=library.float64, requires_grad=True)
        try:
            return library.autograd.gradgradcheck(lambda x: (x**3).sum(), x, **settings)
        except AssertionError as error:
            return str(error)

    assert second(rl) == second(torch)

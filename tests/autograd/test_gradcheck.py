"""gradcheck and gradgradcheck: torch's verdicts and first lines, and which entry is to blame."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl
from rushlight.autograd import Function, GradcheckError, gradcheck, gradgradcheck

WRONG = (
    "Jacobian mismatch for output 0 with respect to input 0,\n"
    "numerical:tensor([[2.0000, 0.0000],\n        [0.0000, 2.0000]], dtype=torch.float64)\n"
    "analytical:tensor([[3., 0.],\n        [0., 3.]], dtype=torch.float64)\n"
)


class Tripled(Function):
    """Doubles, and claims to triple."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 3


class OneEntry(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        g = 2 * g.clone()
        g[1, 2] *= 1.5
        return g


class Drifting(Function):
    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        Drifting.calls += 1
        return g * 2 + 1e-7 * Drifting.calls


class WrongForward(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2

    @staticmethod
    def jvp(ctx, t):
        return t * 3


def point(*shape):
    rl.manual_seed(0)
    return rl.rand(*(shape or (2,)), dtype=rl.float64).requires_grad_()


def caught(*args, **kwargs):
    with pytest.raises(GradcheckError) as error:
        gradcheck(*args, **kwargs)
    return error.value


FUNCTIONS = {
    "sin": rl.sin, "product": lambda x: x.prod(), "softmax": lambda x: x.softmax(0),
    "two": lambda x: (x.exp(), (x * x).sum()), "norm": rl.linalg.norm,
    "matmul": lambda x: x.outer(x) @ x, "where": lambda x: rl.where(x > 0.5, x * x, x),
    "layer": lambda x: rl.nn.functional.gelu(x).cumsum(0),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_gradients_pass_in_every_mode(name):
    f = FUNCTIONS[name]
    assert gradcheck(
        f, point(4), check_forward_ad=True, check_batched_grad=True,
        check_batched_forward_grad=True, check_grad_dtypes=True,
    )  # fmt: skip
    assert gradcheck(f, point(4), fast_mode=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_second_gradients_pass_in_both_modes(name):
    assert gradgradcheck(FUNCTIONS[name], point(4), check_fwd_over_rev=True)
    assert gradgradcheck(FUNCTIONS[name], point(4), gen_non_contig_grad_outputs=True)


def test_complex_gradients_pass():
    z = rl.tensor([0.3 + 0.2j, -0.5 + 1j], dtype=rl.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z + z.conj(), z) and gradcheck(lambda z: z.abs(), z)


def test_a_wrong_gradient_is_reported_as_torch_does():
    assert str(caught(Tripled.apply, point())) == WRONG
    assert gradcheck(Tripled.apply, point(), raise_exception=False) is False


def test_a_wrong_forward_rule_is_reported_as_torch_does():
    assert gradcheck(WrongForward.apply, point())
    text = str(caught(WrongForward.apply, point(), check_forward_ad=True))
    assert text == WRONG.replace("Jacobian", "Jacobian computed with forward mode")


def test_fast_mode_shows_the_slow_matrices_too():
    text = str(caught(Tripled.apply, point(), fast_mode=True))
    assert text.startswith("Jacobian mismatch for output 0 with respect to input 0,\nnumerical:")
    assert "The max per-element difference (slow mode) is: " in text


def test_the_notes_name_entry_sample_and_magnitude():
    notes = caught(OneEntry.apply, point(3, 4)).__notes__
    assert notes[0] == (
        "1 of 144 entries differ; the worst by 1 (relative 0.5): the derivative of output 0[1, 2]"
        " by input 0[1, 2] is 2 by differences and 3 analytically"
    )
    assert notes[1] == "that entry belongs to sample 1 of 3"
    notes = caught(Tripled.apply, point()).__notes__
    assert notes[-1] == "the analytical derivative is 1.5 times the numerical one throughout"


def test_a_cut_chain_is_named():
    error = caught(lambda x: x.detach() * 2, point())
    assert str(error) == "Numerical gradient for function expected to be zero"
    assert "was the chain cut" in error.__notes__[0]


def test_complex_outputs_name_the_part():
    z = rl.tensor([1 + 1j], dtype=rl.complex128, requires_grad=True)
    assert str(caught(Tripled.apply, z)) == (
        "While considering the imaginary part of complex outputs only, Jacobian mismatch for output"
        " 0 with respect to input 0,\nnumerical:tensor([[0.+2.0000j]], dtype=torch.complex128)\n"
        "analytical:tensor([[0.+3.j]], dtype=torch.complex128)\n"
    )


def test_a_backward_that_changes_or_ignores_its_gradient_is_found():
    assert "Backward is not reentrant" in str(caught(Drifting.apply, point()))
    error = caught(Drifting.apply, point(), nondet_tol=1.0)
    assert str(error) == "backward not multiplied by grad_output"


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"check_backward_ad": False}, "at least one of check_forward_ad or check_backward_ad"),
        ({"check_batched_forward_grad": True}, "requires check_forward_ad to be True"),
    ],
)
def test_settings_that_check_nothing_are_refused(settings, text):
    with pytest.raises(AssertionError, match=text):
        gradcheck(rl.sin, point(), **settings)


def test_gradgradcheck_needs_a_mode():
    with pytest.raises(AssertionError, match="check_fwd_over_rev or check_rev_over_rev"):
        gradgradcheck(rl.sin, point(), check_rev_over_rev=False)


def test_outputs_come_before_inputs() -> None:
    """Of several wrong Jacobians torch names the first output's."""

    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, z: Any) -> Any:
            return x + 2 * z, 2 * x + z

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g + h, g + h

    xs = [rl.ones(2, dtype=rl.float64, requires_grad=True) for _ in range(2)]
    with pytest.raises(GradcheckError, match="output 0 with respect to input 1"):
        gradcheck(Wrong.apply, xs)

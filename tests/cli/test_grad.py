"""`rushlight grad`: formulas in, formulas out."""

from __future__ import annotations

import pytest

from rushlight.cli.main import main

GOOD = {
    "1/(exp(-(w*x+b))+1) --wrt w": "x*exp(-(w*x + b))/(exp(-(w*x + b)) + 1)**2",
    "1/(exp(-(w*x+b))+1) --wrt w --latex": (
        r"\frac{x e^{-\left(w x + b\right)}}{\left(e^{-\left(w x + b\right)} + 1\right)^{2}}"
    ),
    "1/(exp(-(w*x+b))+1) --wrt w --at w=1,x=2,b=0": (
        "x*exp(-(w*x + b))/(exp(-(w*x + b)) + 1)**2\n= 0.209987170807"
    ),
    "w*x --wrt w,x": "d/dw: x\nd/dx: w",
    "x^4 --wrt x --order 3": "24*x",
    "sum((X@w-y)^2) --wrt w --shape X=2x3,w=3,y=2": "2 X^T (X w - y)",
    "x@A@x --wrt x --shape x=2,A=2x2 --at x=[1,2],A=[[1,2],[3,4]]": (
        "(A + A^T) x\n= tensor([12., 21.], dtype=torch.float64)"
    ),
    "softmax(z) --wrt z --shape z=3": "diag(softmax(z)) - softmax(z) softmax(z)^T",
    "x + 0*x --wrt x --raw": "1*0 + 1",
}


@pytest.mark.parametrize("line", GOOD)
def test_formulas(line, capsys):
    formula, *options = line.split(" --")
    words = [word for option in options for word in ("--" + option).split(" ")]
    assert main(["grad", formula, *words]) == 0
    assert capsys.readouterr().out.strip() == GOOD[line]


def test_a_root_of_a_negative_number_is_nan(capsys):
    assert main(["grad", "(-2)**.5*x", "--wrt", "x"]) == 0
    assert capsys.readouterr().out.strip() == "nan"


def test_steps_are_listed_before_the_result(capsys):
    assert main(["grad", "x*x", "--wrt", "x", "--steps"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "2*x" and any("[collect like terms]" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["foo(x)", "--wrt", "x"], 2, "'foo(x)' in the formula is not understood"),
        (["x +", "--wrt", "x"], 2, "is not understood"),
        (["2**1000000*x", "--wrt", "x"], 2, "has a number too large for float64"),
        (["9**9**9*x", "--wrt", "x"], 2, "has a number too large for float64"),
        (["x+1/0", "--wrt", "x"], 2, "x+1/0 divides by zero"),
        (["x/0", "--wrt", "x"], 2, "x/0 divides by zero"),
        (["x", "--wrt", "z"], 2, "z is not in the formula; its variables are x"),
        (["3", "--wrt", "x"], 2, "3 is a number"),
        (["x", "--wrt", "x", "--order", "0"], 2, "--order 0: once at least"),
        (["x*y", "--wrt", "x", "--at", "x=1"], 2, "no value for y"),
        (["x", "--wrt", "x", "--at", "x"], 2, "expected NAME=VALUE"),
        (["x", "--wrt", "x", "--at", "x=one"], 2, "that is no number"),
        (["x", "--wrt", "x", "--shape", "x=2y3"], 2, "sizes are whole numbers"),
        (["x@y", "--wrt", "x", "--shape", "x=2,y=3"], 2, "inconsistent tensor size"),
        (["x*x", "--wrt", "x", "--shape", "x=2x2"], 2, "takes scalars and vectors"),
    ],
)
def test_mistakes_are_one_sentence(arguments, code, sentence, capsys):
    assert main(["grad", *arguments]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err and "Traceback" not in captured.err
    assert "was written at" not in captured.err

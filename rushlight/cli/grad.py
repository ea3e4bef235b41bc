"""`rushlight grad`: the derivative of a formula, as text or LaTeX, and its value at a point."""

from __future__ import annotations

import argparse
import ast
from typing import Any

import rushlight as rl

from .. import sym
from .terminal import Complaint

LONG = 120  # characters from which repeated parts get names
WRONG = 2  # the exit status: all that can go wrong is in the arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `rushlight grad`."""
    parser.add_argument("formula", help='such as "1/(exp(-(w*x+b))+1)"; ^ and ** are powers')
    parser.add_argument("--wrt", required=True, metavar="NAMES",
                        help="the variable to differentiate by, or several: w,b")  # fmt: skip
    parser.add_argument("--order", type=int, default=1, metavar="N",
                        help="differentiate N times (default: once)")  # fmt: skip
    parser.add_argument("--at", metavar="NAME=NUMBER,...",
                        help="also print the value there: w=1,x=2 or \"w=[1,2]\"")  # fmt: skip
    parser.add_argument("--shape", metavar="NAME=N[xM],...",
                        help="shapes of vectors and matrices: X=5x3,w=3")  # fmt: skip
    parser.add_argument("--latex", action="store_true", help="print LaTeX")
    parser.add_argument("--steps", action="store_true", help="list every rule of simplification")
    parser.add_argument("--raw", action="store_true", help="do not simplify")


def main(options: argparse.Namespace) -> int:
    """Print the derivative by each variable."""
    if options.order < 1:
        raise Complaint(f"--order {options.order}: once at least", WRONG)
    try:
        output = sym.parse(options.formula, _shapes(options.shape))
    except (ValueError, RuntimeError) as error:
        raise _complaint(error) from None
    if isinstance(output, (int, float)):
        raise Complaint(f"{options.formula} is a number: its derivative is 0", WRONG)
    names = [name.strip() for name in options.wrt.split(",")]
    point = _values(options.at, output)
    for name in names:
        _print_one(output, name, len(names) > 1, options, point)
    return 0


def _print_one(
    output: Any, name: str, several: bool, options: argparse.Namespace, point: Any
) -> None:
    known = {str(x): x for x in output.variables()}
    if name not in known:
        raise Complaint(
            f"{name} is not in the formula; its variables are {', '.join(known)}", WRONG
        )
    result = raw = output
    try:
        for _ in range(options.order):
            raw = _slope(result, known[name])
            result = raw if options.raw else sym.simplify(raw)
    except ZeroDivisionError:
        raise Complaint(f"{options.formula} divides by zero", WRONG) from None
    except OverflowError:
        raise Complaint(f"{options.formula} has a number too large for float64", WRONG) from None
    except RuntimeError as error:
        raise _complaint(error) from None
    if options.steps and not options.raw:
        print(f"{raw}\n{sym.steps(raw)}")
    shown = sym.latex(result) if options.latex else str(result)
    if len(shown) > LONG:
        shown = sym.described(result, form="latex" if options.latex else "text")
    print(f"d/d{name}: {shown}" if several else shown)
    if point is not None:
        print(_evaluated(result, point))


def _slope(output: Any, x: Any) -> Any:
    """The gradient of a number, the Jacobian of a vector."""
    return sym.grad(output, x, simplify=False) if not output.ndim else sym.jacobian(output, x)


def _evaluated(result: Any, point: dict[str, Any]) -> str:
    try:
        value = result.eval(point)
    except (KeyError, ValueError, TypeError) as error:
        raise _complaint(error) from None
    return f"= {value.item():.12g}" if value.ndim == 0 else f"= {value}"


def _complaint(error: BaseException) -> Complaint:
    complaint = Complaint(str(error.args[0]) if error.args else str(error), WRONG)
    for note in getattr(error, "__notes__", ()):
        if " was written at " not in note:  # a line of ours: the formula has none
            complaint.add_note(note)
    return complaint


def _pairs(text: str | None, option: str) -> dict[str, str]:
    """NAME=VALUE,NAME=VALUE, where a value may hold commas inside brackets."""
    found: dict[str, str] = {}
    depth, piece = 0, ""
    for letter in (text or "") + ",":
        depth += (letter == "[") - (letter == "]")
        if letter != "," or depth:
            piece += letter
            continue
        if piece.strip():
            name, sign, value = piece.partition("=")
            if not sign:
                raise Complaint(f"{option} {piece.strip()}: expected NAME=VALUE", WRONG)
            found[name.strip()] = value.strip()
        piece = ""
    return found


def _shapes(text: str | None) -> dict[str, tuple[int, ...]]:
    try:
        return {
            name: tuple(int(size) for size in value.lower().split("x") if size)
            for name, value in _pairs(text, "--shape").items()
        }
    except ValueError:
        raise Complaint(f"--shape {text}: sizes are whole numbers, as in X=5x3", WRONG) from None


def _values(text: str | None, output: Any) -> dict[str, Any] | None:
    """The point's coordinates, each in its variable's type."""
    if text is None:
        return None
    kinds = {str(x): x.dtype for x in output.variables()}
    found = {}
    for name, value in _pairs(text, "--at").items():
        try:
            number = ast.literal_eval(value)
            found[name] = rl.tensor(number, dtype=kinds.get(name, rl.float64))
        except (ValueError, SyntaxError, TypeError):
            raise Complaint(f"--at {name}={value}: that is no number", WRONG) from None
    return found

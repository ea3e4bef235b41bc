"""Expressions printed as LaTeX."""

from __future__ import annotations

from collections.abc import Iterable

from .expressions import Expr
from .text import PRODUCT, Printer, Shown

GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
    " upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega".split()
)
KNOWN = frozenset("exp log sin cos tan sinh cosh tanh max min".split())
RELATIONS = {"==": "=", "!=": r"\ne", "<=": r"\le", ">=": r"\ge", "&": r"\wedge", "|": r"\vee"}


class Latex(Printer):
    r"""`\frac`, `\odot`, `^{\top}` in place of the text's signs."""

    times, dot, apply = r" ", r" \odot ", r" "

    def name(self, name: str) -> str:
        base, _, index = name.partition("_")
        if not index and base.rstrip("0123456789") != base and base[0] not in "0123456789":
            head = base.rstrip("0123456789")
            base, index = head, base[len(head) :]
        if base in GREEK:
            base = f"\\{base}"
        elif len(base) > 1:
            base = f"\\mathrm{{{base}}}"
        index = index.replace("_", ",")
        return f"{base}_{{{index}}}" if index else base

    def grouped(self, inside: str) -> str:
        return rf"\left({inside}\right)"

    def quotient(self, top: list[Expr], bottom: list[Expr]) -> str:
        below = self.show(bottom[0])[0] if len(bottom) == 1 else self.joined(bottom)
        scalars, tensors = [x for x in top if not x.ndim], [x for x in top if x.ndim]
        if tensors and not any(x.ndim for x in bottom):
            number = self.joined(scalars) if scalars else "1"
            return rf"\frac{{{number}}}{{{below}}} {self.joined(tensors)}"
        above = "1" if not top else self.show(top[0])[0] if len(top) == 1 else self.joined(top)
        if any(x.ndim for x in bottom):
            return rf"{above} \oslash {self.grouped(below)}"
        return rf"\frac{{{above}}}{{{below}}}"

    def op_reciprocal(self, x: Expr) -> Shown:
        return rf"\frac{{1}}{{{self.show(x.args[0])[0]}}}", PRODUCT

    def power(self, base: str, exponent: str, tensor: bool) -> str:
        if exponent.startswith(r"\left("):
            exponent = exponent[6:-7]
        return rf"{base}^{{\odot {exponent}}}" if tensor else rf"{base}^{{{exponent}}}"

    def raised(self, base: str) -> str:
        return rf"{base}^{{\top}}"

    def inverse(self, base: str) -> str:
        return rf"{base}^{{-1}}"

    def norm(self, inside: str) -> str:
        return rf"\left\lVert {inside} \right\rVert"

    def norm_squared(self, inside: str, ndim: int) -> str:
        return self.norm(inside) + ("_F^{2}" if ndim == 2 else "^{2}")

    def indicator(self, condition: str) -> str:
        return rf"\left[{condition}\right]"

    def op_exp(self, x: Expr) -> Shown:
        if x.ndim:
            return self.call(x)
        return rf"e^{{{self.show(x.args[0])[0]}}}", 3

    def op_sqrt(self, x: Expr) -> Shown:
        return rf"\sqrt{{{self.show(x.args[0])[0]}}}", 3

    def op_sigmoid(self, x: Expr) -> Shown:
        return rf"\sigma{self.grouped(self.show(x.args[0])[0])}", 3

    def op_abs(self, x: Expr) -> Shown:
        return rf"\left|{self.show(x.args[0])[0]}\right|", 4

    def called(self, name: str, given: Iterable[str]) -> str:
        head = f"\\{name}" if name in KNOWN else rf"\operatorname{{{name.replace('_', ' ')}}}"
        return head + self.grouped(", ".join(given))

    def relation(self, sign: str, left: str, right: str) -> str:
        return f"{left} {RELATIONS.get(sign, sign)} {right}"


def latex(expr: Expr) -> str:
    """An expression as LaTeX, without the dollar signs."""
    return Latex()(expr)

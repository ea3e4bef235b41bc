"""Simplification: rules applied from the inside out until none applies, each one written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .algebra import SUMS, forget
from .expressions import Expr, order, rebuilt
from .rules_matrix import MATRIX_RULES
from .rules_scalar import SCALAR_RULES, common_numbers
from .rules_shape import SHAPE_RULES, Rule
from .text import text

RULES: list[Rule] = [*SHAPE_RULES, *MATRIX_RULES, *SCALAR_RULES]
_FLOAT_ONLY = frozenset((*MATRIX_RULES, *SCALAR_RULES))
MOST_AT_ONE = 60  # rules applied to one expression; a guard, far above what is seen


@dataclass(frozen=True)
class Step:
    """One rule applied once: its name, and the part it changed before and after.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> torch.sym.steps(x + 0)[0].rule
    'x + 0 = x'
    """

    rule: str
    before: Expr
    after: Expr

    @property
    def visible(self) -> bool:
        """Whether it changes the formula in print (a new order of multiplication does not)."""
        return text(self.before) != text(self.after)

    def __str__(self) -> str:
        return f"{text(self.before)}  ->  {text(self.after)}    [{self.rule}]"


class Simplifier:
    """Rewrites expressions to a fixed point; `steps` lists every rule application in order."""

    def __init__(self) -> None:
        self.done: dict[Expr, Expr] = {}
        self.busy: set[Expr] = set()
        self.steps: list[Step] = []

    def __call__(self, expr: Expr) -> Expr:
        """The simplest form found of an expression (and, on the way, of its parts)."""
        for x in order([expr]):
            self._settle(x)
        return self._tidied(self.done[expr])

    def _tidied(self, expr: Expr) -> Expr:
        """Common numbers drawn from whole sums (parts of sums would be opened again)."""
        everything = order([expr])
        parts = {a for x in everything if x.op in SUMS for a in x.args}
        done: dict[Expr, Expr] = {}
        for x in everything:
            new = rebuilt(x, [done[a] for a in x.args])
            real = not isinstance(x.dtype, tuple) and x.dtype.kind == "f"
            found = common_numbers(new) if real and x not in parts else None
            if found is not None:
                self.steps.append(Step(found[0], new, found[1]))
                new = found[1]
            done[x] = new
        return done[expr]

    def _settle(self, x: Expr) -> None:
        """Simplify an expression whose operands are settled."""
        if x in self.done or x in self.busy:
            return
        self.busy.add(x)
        seen = [x]
        current = rebuilt(x, [self.done.get(a, a) for a in x.args])
        while current not in self.done and len(seen) < MOST_AT_ONE:
            found = self._first(current)
            if found is None:
                break
            name, new = found
            self.steps.append(Step(name, current, new))
            if new in seen:
                break
            seen.append(current)
            # the rule may have built new operands: settle those first
            for a in order([new], self.done):
                if a is not new:
                    self._settle(a)
            current = rebuilt(new, [self.done.get(a, a) for a in new.args])
        result = self.done.get(current, current)
        self.busy.discard(x)
        for one in (*seen, current):
            self.done[one] = result

    def _first(self, x: Expr) -> tuple[str, Expr] | None:
        if isinstance(x.dtype, tuple):  # several outputs at once
            return None
        real = x.dtype.kind == "f"
        for rule in RULES:
            if not real and rule in _FLOAT_ONLY:
                continue
            found = rule(x)
            if found is not None and found[1] is not x:
                return found
        return None


def simplified(outputs: Sequence[Expr]) -> tuple[list[Expr], list[Step]]:
    """The outputs in simplest form, and the rules applied on the way."""
    simplifier = Simplifier()
    try:
        return [simplifier(x) for x in outputs], simplifier.steps
    finally:
        forget()


def simplify(expr: Expr) -> Expr:
    """One expression in its simplest form."""
    return simplified([expr])[0][0]

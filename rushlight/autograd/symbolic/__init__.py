"""Symbolic differentiation: derivatives as formulas, from the same rules that backward runs."""

from .derivative import gradients
from .evaluation import evaluate
from .expressions import Expr
from .latex import latex
from .simplify import Step, simplified, simplify
from .text import text
from .values import Expression, SymbolicError, symbol, wrap

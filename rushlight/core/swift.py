"""Native functions in the place of Python's operators on tensors, once a program has done much.

They cost some 15 milliseconds (`compile/calls/operators.py`; 80 where the machine has never made
them), so a process gets them when its tape has grown to so many operations that this is little
beside what they took: `autograd` asks at each backward pass. Behind each stands the operator in
Python, which does whatever they leave.
"""

from __future__ import annotations

import copyreg
import functools
import sys
import threading
from types import MethodDescriptorType
from typing import Any

import numpy as np

from .arrivals import when_imported
from .gates import STANDS, Stand
from .heavy import Pieces
from .overrides import OPS
from .state import DUE, SMALL
from .tensor import Tensor

_NATIVE = Pieces("operators")
# by operator: what its short path computes by, where that is not the evaluation of its op
_BY = {"__add__": np.add, "__sub__": np.subtract, "__mul__": np.multiply,
       "__truediv__": np.true_divide, "__radd__": np.add, "__rmul__": np.multiply}  # fmt: skip
_OTHERS = ("__matmul__", "__pow__", "__lt__", "__le__", "__gt__", "__ge__")
_OF_NUMBERS = frozenset({"__pow__"})  # whose evaluation takes numbers as they are
_RULES = {"mul": "factors", "sub": "difference", "mean_squared_error": "squares"}
_DUAL = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide}
_ways: dict[tuple[type, Any], tuple[dict[Any, Any], Any, Any]] = {}
_rules: dict[Any, tuple[Any, Any]] = {}
_lock = threading.RLock()


def hasten() -> bool:
    """Put the native functions in place, if there are any here; whether there are."""
    DUE[0] = sys.maxsize
    native = _NATIVE.found
    if native is None:
        return False
    with _lock:
        _tell_pickle()
        for name in (*_BY, *_OTHERS):
            python = vars(Tensor)[name]
            if name not in STANDS and _is_ours(python):
                STANDS[name] = stand_in(name, python)
        for name, stand in STANDS.items():
            if vars(Tensor)[name] is stand.python and _is_ours(stand.python):
                setattr(Tensor, name, stand.made)
        for name, kind in _RULES.items():
            prim = OPS[name].primitive if OPS.holds(name) else None
            if prim is not None and prim not in _rules:
                _rules[prim] = prim.pull, native.rule(kind, prim)
        for prim, (_, pull) in _rules.items():
            prim.pull = pull
        SMALL.walk, SMALL.descend = native.function("walk"), native.function("descend")
        SMALL.again = hasten
        for kind, ways in SMALL.duals:
            native.duals(kind)
            for name, by in _DUAL.items():
                prim = OPS[name].primitive
                if (kind, prim) not in _ways:
                    _ways[kind, prim] = ways, ways[prim], native.way(ways[prim], by)
        for (_, prim), (ways, _, way) in _ways.items():
            ways[prim] = way
    return True


def stand_in(name: str, python: Any) -> Stand:
    """An operator of an op with its native function, which is not put in place."""
    native, prim = _NATIVE.found, python.primitive
    made = native.operator(name, python, prim, _BY.get(name, prim.eval), name in _OF_NUMBERS)
    return Stand(made, python, native.leave_to)


def _as_found(method: Any) -> Any:
    """How a method of a built-in class is pickled: ours, which are of any object, as Tensor's."""
    found = [name for name, stand in STANDS.items() if stand.made is method]
    return (getattr, (Tensor, found[0])) if found else method.__reduce__()


@functools.cache
def _tell_pickle() -> None:
    """Have `copy` and `pickle` ask, and Python's way to processes, which has a table of its own."""
    copyreg.pickle(MethodDescriptorType, _as_found)
    home = "multiprocessing.reduction"
    when_imported(
        home, lambda: sys.modules[home].ForkingPickler.register(MethodDescriptorType, _as_found)
    )


def _is_ours(python: Any) -> bool:
    """Whether nobody has changed the operator, or put something around it."""
    return hasattr(python, "primitive") and not hasattr(python, "surrounded")


def relent() -> None:
    """Put the operators and rules in Python back."""
    with _lock:
        for name, stand in STANDS.items():
            if vars(Tensor)[name] is stand.made:
                setattr(Tensor, name, stand.python)
        for prim, (pull, _) in _rules.items():
            prim.pull = pull
        SMALL.walk = SMALL.descend = None
        SMALL.again = lambda: None
        for (_, prim), (ways, way, _) in _ways.items():
            ways[prim] = way

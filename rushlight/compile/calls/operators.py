"""Operators on small tensors as functions of the interpreter itself, in native code.

Each does what the short path of `core/calls.py` does, for what operators mostly meet: two tensors
of one real type, or a tensor and a number. It looks, computes, wraps and records without a frame
of Python; sums, differences, products and quotients of few elements are computed in place of
NumPy, bit by bit the same, all else by the op's own evaluation. Whatever is not as expected goes
to the operator in Python before anything is done, so that each has one meaning.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.dispatch import USUAL
from ...core.primitive import Primitive
from ...core.state import CLOSED, PAUSED, STATE, WATCHED
from ...core.tape import LEAF, tick
from ...core.tensor import EAGER_TYPES, Tensor
from ..code import llvm
from ..code.operators import kernel, text
from ..code.operators_text import FACTS, FUNCTIONS, PLACES, WAYS
from .layout import FASTCALL, ONE_OPERAND, MethodDef, arrays_known, slot_of, tensors_known

_NEW_ARRAY = 94  # the place of PyArray_NewFromDescr in NumPy's table of functions
_NEW_OBJECT = 65  # the number of a type's slot for it
_KERNELS = {np.add: "fadd", np.subtract: "fsub", np.multiply: "fmul", np.true_divide: "fdiv"}


def _new_array() -> int:
    """Where NumPy makes an array of a type and sizes."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    module = importlib.import_module("numpy._core._multiarray_umath")
    table = get(module._ARRAY_API, None)
    return ctypes.c_void_p.from_address(table + 8 * _NEW_ARRAY).value or 0


def _new_object() -> int:
    """What `object.__new__` is in C."""
    get = ctypes.pythonapi.PyType_GetSlot
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    return get(object, _NEW_OBJECT) or 0


def _facts() -> tuple[Any, ...]:
    """The objects that native code knows by `FACTS`."""
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    return (
        Tensor, USUAL, EAGER_TYPES, WATCHED, CLOSED, PAUSED, STATE, "grad", np.ndarray, tuple,
        single, double, None, LEAF, tick.__self__, 0, True, False, -1.0, (), float, int, list,
        "pull", np.asarray, Exception, *(None,) * 4, "alive",
    )  # fmt: skip


class Operators:
    """Makes the functions. They and what they are about stay as long as the process."""

    def __init__(self) -> None:
        if not tensors_known() or not arrays_known():
            raise RuntimeError("objects lie elsewhere in this interpreter")
        facts = _facts()
        assert len(facts) == len(FACTS)
        self._words = np.array([id(fact) for fact in facts], np.int64)
        self._words[FACTS.index("dual")] = 0  # no object's class
        self._ways = np.zeros((PLACES, len(WAYS)), np.int64)
        _lasting.append((facts, self._words, self._ways))
        llvm.symbol("facts", self._words.ctypes.data)
        llvm.symbol("ways", self._ways.ctypes.data)
        llvm.symbol("rushlight_new", _new_object())
        llvm.symbol("rushlight_array", _new_array())
        for name in FUNCTIONS:
            at = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
            llvm.symbol(name, at or 0)
        self._code = llvm.compile(text(slot_of("_array") or 0, slot_of("_entry") or 0))
        self._used, self._places = 0, {}
        _lasting.append(self._code)

    def _way(self, python: Any, evaluate: Any, prim: Primitive, keeps: int) -> int:
        place = self._used
        self._used += 1
        which = kernel(_KERNELS.get(evaluate, ""))
        self._ways[place] = id(python), id(evaluate), id(prim), which, keeps
        _lasting.append((python, evaluate, prim))
        return place

    def operator(self, name: str, python: Callable[..., Any], prim: Primitive, evaluate: Any,
                 numbers: bool = False) -> Any:  # fmt: skip
        """The built-in method `name` of Tensor that stands for the operator `python` of an op.

        `evaluate` is what its short path computes by, of a number too if it takes `numbers`.
        """
        keeps = ("x" in prim.reads) + 2 * ("y" in prim.reads) + 4 * (prim.rule is not None)
        place = self._way(python, evaluate, prim, keeps + 8 * numbers)
        doc = f"{name}($self, other, /)\n--\n\n{python.__doc__ or ''}"  # read as a signature too
        made = self._definition(f"operator{place}", name, ONE_OPERAND, doc)
        describe = ctypes.pythonapi.PyDescr_NewMethod
        describe.restype, describe.argtypes = ctypes.py_object, [ctypes.py_object, ctypes.c_void_p]
        # of any object: what is no tensor is for the operator in Python to refuse
        method = describe(object, ctypes.addressof(made))
        self._places[method] = place
        return method

    def leave_to(self, method: Any, python: Callable[..., Any]) -> None:
        """From now on a method leaves what it cannot do to this function."""
        _lasting.append(python)
        self._ways[self._places[method], WAYS.index("python")] = id(python)

    def rule(self, kind: str, prim: Primitive) -> Any:
        """The built-in function that stands for an op's rule, `prim.pull`, one of `RULES`."""
        words = np.array([id(prim.pull)], np.int64)
        _lasting.append((prim.pull, words))
        made = self._definition(f"{kind}_rule", f"pull_{prim.name}", FASTCALL, None)
        return self._new(ctypes.addressof(made), words.ctypes.data, None)

    def duals(self, kind: type) -> None:
        """From now on a class of arrays that have `a`, `t` and `level` is known."""
        first = FACTS.index("dual")
        places = [slot_of(name, kind) or 0 for name in ("a", "t", "level")]
        self._words[first + 1 : first + 4] = places
        self._words[first] = id(kind) if all(places) else 0
        _lasting.append(kind)

    def way(self, python: Callable[..., Any], evaluate: Any) -> Any:
        """The built-in function that stands for how an op on duals is done."""
        words = np.array([id(python), 0, 0, kernel(_KERNELS[evaluate])], np.int64)
        _lasting.append((python, words))
        made = self._definition("dual_way", "way", FASTCALL, None)
        return self._new(ctypes.addressof(made), words.ctypes.data, None)

    def function(self, name: str) -> Any:
        """A built-in function of its own, `walk` or `descend`."""
        return self._new(ctypes.addressof(self._definition(name, name, FASTCALL, None)), 0, None)

    @functools.cached_property
    def _new(self) -> Any:
        new = ctypes.pythonapi.PyCFunction_NewEx
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
        return new

    def _definition(self, function: str, name: str, flags: int, doc: str | None) -> MethodDef:
        made = MethodDef(name.encode(), self._code.address(function), flags, (doc or "").encode())
        _lasting.append(made)
        return made


_lasting: list[Any] = []  # what native code points to: nothing may ever free it

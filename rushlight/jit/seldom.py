"""Names of torch.jit that programs ask for now and then; code keeps running as Python."""

from __future__ import annotations

import contextlib
import functools
import textwrap
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import rushlight as rl

__all__ = [
    "Attribute", "CompilationUnit", "Error", "ScriptFunction", "ScriptWarning",
    "TracingCheckError", "enable_onednn_fusion", "onednn_fusion_enabled",
    "run_frozen_optimizations", "script_if_tracing", "set_fusion_strategy", "strict_fusion",
]  # fmt: skip


class Error(Exception):
    """What torch's interpreter of scripts raises; code here raises its own errors.

    >>> import rushlight as torch
    >>> issubclass(torch.jit.Error, Exception)
    True
    """


class ScriptWarning(Warning):
    """What programs filter that script.

    >>> import rushlight as torch
    >>> issubclass(torch.jit.ScriptWarning, Warning)
    True
    """


class TracingCheckError(Exception):
    """What torch raises where a second trace gives other results than the first.

    >>> import rushlight as torch
    >>> issubclass(torch.jit.TracingCheckError, Exception)
    True
    """

    def __init__(
        self, graph_diff_error: Any, tensor_compare_error: Any, extra_msg: Any = None
    ) -> None:
        parts = ["Tracing failed sanity checks!"]
        parts += [] if extra_msg is None else [str(extra_msg)]
        if graph_diff_error is not None:
            parts.append("ERROR: Graphs differed across invocations!")
            parts.append(textwrap.indent(graph_diff_error, "\t"))
        if tensor_compare_error is not None:
            parts.append(
                "ERROR: Tensor-valued Constant nodes differed in value across invocations. This"
                " often indicates that the tracer has encountered untraceable code."
            )
            parts.append(textwrap.indent(tensor_compare_error, "\t"))
        self.message = "\n".join([*parts, ""])
        super().__init__(self.message)


class Attribute(NamedTuple):
    """A value and the type that a script is told it has.

    >>> import rushlight as torch
    >>> torch.jit.Attribute(1, int)
    Attribute(value=1, type=<class 'int'>)
    """

    value: Any
    type: Any


class ScriptFunction:
    """The class of torch's scripted functions, for `isinstance`: here they are plain functions.

    >>> import rushlight as torch
    >>> isinstance(torch.jit.script(lambda x: x), torch.jit.ScriptFunction)
    False
    """


class CompilationUnit:
    """Functions made of source text, as attributes.

    The text runs as Python, with `torch`, `Tensor` and the names of `typing` at hand.
    Raises: RuntimeError for text that is no Python and for a name that is taken, AttributeError
        for a function that is not there.

    >>> import rushlight as torch
    >>> unit = torch.jit.CompilationUnit("def twice(x: Tensor) -> Tensor:\\n    return 2 * x\\n")
    >>> unit.twice(torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(self, lang: str | None = None, _frames_up: int = 0) -> None:
        self._names: dict[str, Any] = {
            "torch": rl, "Tensor": rl.Tensor, "annotate": lambda kind, value: value,
            **{name: getattr(typing, name) for name in _TYPES},
        }  # fmt: skip
        self._made: dict[str, Callable[..., Any]] = {}
        if lang is not None:
            self.define(lang)

    def define(self, lang: str, rcb: Any = None, _frames_up: int = 0) -> None:
        """Add the functions of a text."""
        found = dict(self._names)
        try:
            exec(compile(textwrap.dedent(lang), "<string>", "exec"), found)
        except SyntaxError as error:
            raise RuntimeError(f"{error}:\n{lang}") from error
        made = {key: value for key, value in found.items() if value is not self._names.get(key)}
        made.pop("__builtins__", None)
        for name in made:
            if name in self._made:
                raise RuntimeError(f"method '{name}' already defined.")
        self._made.update(made)

    def get_functions(self) -> list[Callable[..., Any]]:
        """All functions."""
        return list(self._made.values())

    def find_function(self, name: str) -> Callable[..., Any] | None:
        """The function of a name, or None."""
        return self._made.get(name)

    def __getattr__(self, name: str) -> Any:
        made = self.__dict__.get("_made", {})
        if name not in made:
            raise AttributeError(f"'CompilationUnit' has no attribute '{name}'")
        return made[name]


_TYPES = "Any Dict List Optional Tuple Union NamedTuple Final".split()


def script_if_tracing(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which torch scripts when a trace meets it.

    >>> import rushlight as torch
    >>> @torch.jit.script_if_tracing
    ... def twice(x):
    ...     return 2 * x
    >>> twice(torch.ones(1)), twice.__name__
    (tensor([2.]), 'twice')
    """

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    vars(wrapper).update(__original_fn=fn, __script_if_tracing_wrapper=True)
    return wrapper


_STATE: dict[str, Any] = {"strategy": [("STATIC", 2), ("DYNAMIC", 10)], "onednn": False}


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Remember how scripts are to be fused, and return what was asked before; nothing is done.

    >>> import rushlight as torch
    >>> before = torch.jit.set_fusion_strategy([("STATIC", 2)])
    >>> torch.jit.set_fusion_strategy(before)
    [('STATIC', 2)]
    """
    before, _STATE["strategy"] = _STATE["strategy"], list(strategy)
    return before


def enable_onednn_fusion(enabled: bool) -> None:
    """Remember the wish; scripts run as Python.

    >>> import rushlight as torch
    >>> torch.jit.enable_onednn_fusion(False)
    """
    _STATE["onednn"] = bool(enabled)


def onednn_fusion_enabled() -> bool:
    """Whether it was wished for.

    >>> import rushlight as torch
    >>> torch.jit.onednn_fusion_enabled()
    False
    """
    return _STATE["onednn"]


@contextlib.contextmanager
def strict_fusion() -> Iterator[None]:
    """Run the block.

    >>> import rushlight as torch
    >>> with torch.jit.strict_fusion():
    ...     print(torch.ones(1))
    tensor([1.])
    """
    yield


def run_frozen_optimizations(
    mod: Any, optimize_numerics: bool = True, preserved_methods: list[str] | None = None
) -> None:
    """Leave a frozen module as it is.

    >>> import rushlight as torch
    >>> torch.jit.run_frozen_optimizations(torch.jit.freeze(torch.jit.script(torch.nn.ReLU())))
    """

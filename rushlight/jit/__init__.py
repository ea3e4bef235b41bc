"""torch.jit: scripting and tracing give back what they were given, and it can be saved."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import rushlight as rl

from ..core.names import explain_missing as _explain_missing

__all__ = [
    "Final", "RecursiveScriptModule", "ScriptModule", "annotate", "export", "fork", "freeze",
    "ignore", "is_scripting", "is_tracing", "isinstance", "load", "optimize_for_inference",
    "optimized_execution", "save", "script", "script_method", "trace", "trace_module", "unused",
    "wait",
]  # fmt: skip

_is = isinstance


class ScriptModule(rl.nn.Module):
    """A module that went through `script` or `trace`: it shares the original's weights."""

    _original: rl.nn.Module

    @property
    def original_name(self) -> str:
        """The name of the class that was scripted."""
        return type(self._original).__name__

    @property
    def code(self) -> str:
        """The Python source of the module's forward."""
        with contextlib.suppress(OSError, TypeError):
            return inspect.getsource(type(self._original).forward)
        return ""

    def save(self, f: Any, **kwargs: Any) -> None:
        """Store the model (as data: class names, attributes, weights) for `jit.load`."""
        save(self, f)

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"


class RecursiveScriptModule(ScriptModule):
    """What `script` makes of a module."""


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """Return a function or class as it is, a module as a ScriptModule with the same weights.

    The code keeps running as Python, so everything that runs unscripted runs scripted.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.jit.script.html

    >>> import rushlight as torch
    >>> torch.jit.script(torch.nn.Flatten()).original_name
    'Flatten'
    """
    if not _is(obj, rl.nn.Module) or _is(obj, ScriptModule):
        return obj
    kind = type("RecursiveScriptModule", (RecursiveScriptModule, type(obj)), {})
    scripted = kind.__new__(kind)
    scripted.__dict__.update(obj.__dict__)
    # Not through setattr, which would make the original a child of its own copy.
    scripted.__dict__["_original"] = obj
    return scripted


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Call `func` once with the example, so that a mistake shows now, and return `script(func)`."""
    if example_inputs is not None:
        given = example_inputs if _is(example_inputs, (tuple, list)) else (example_inputs,)
        with rl.no_grad():
            func(*given)
    return script(func)


def trace_module(mod: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """`script(mod)`; the example inputs are not needed."""
    return script(mod)


def save(m: Any, f: Any, **kwargs: Any) -> None:
    """Store a scripted module: `rushlight.save` of the module it was made from."""
    rl.save(m._original if _is(m, ScriptModule) else m, f)


def load(f: Any, map_location: Any = None, **kwargs: Any) -> Any:
    """Read what `jit.save` wrote; a class of your own must be defined by then.

    Raises: CheckpointError for a file that does not hold such a model.
    """
    found = rl.load(f, map_location, weights_only=False)
    if not _is(found, rl.nn.Module):
        raise RuntimeError(f"the file holds a {type(found).__name__}, not a scripted module")
    return script(found)


def _unchanged(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The function itself, or a decorator that returns it."""
    return fn if callable(fn) else lambda given: given


export = ignore = script_method = unused = _unchanged


def freeze(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """The module itself."""
    return mod


def optimize_for_inference(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """The module itself."""
    return mod


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Run the block."""
    yield


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's isinstance."""
    return _is(obj, target_type)


def is_scripting() -> bool:
    """False: the code always runs as Python."""
    return False


def is_tracing() -> bool:
    """False: the code always runs as Python."""
    return False


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the function now; `wait` gives its result."""
    return _Done(func(*args, **kwargs))


def wait(future: Any) -> Any:
    """The result of a `fork`."""
    return future.wait()


class _Done:
    def __init__(self, result: Any) -> None:
        self._result = result

    def wait(self) -> Any:
        return self._result

    def done(self) -> bool:
        return True


def _overload(func: Any) -> Any:
    """Mark a signature of a function that is defined again below; only the last one runs."""
    return func


_overload_method = _overload


_explain_missing(__name__, {"annotations": ("rushlight.jit.annotations", None)})

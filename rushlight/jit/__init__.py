"""torch.jit: scripting and tracing return what they were given, in a form that can be saved."""

import builtins
import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from . import _state
from .kinds import isinstance

__all__ = [
    "Final", "RecursiveScriptModule", "ScriptModule", "TopLevelTracedModule", "TracerWarning",
    "annotate", "export", "fork", "freeze", "ignore", "interface", "is_scripting", "is_tracing",
    "isinstance", "load", "optimize_for_inference", "optimized_execution", "save", "script",
    "script_method", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

_is = builtins.isinstance


class TracerWarning(Warning):
    """What programs filter that trace; tracing here runs the program as it is and never warns.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", category=torch.jit.TracerWarning)
    ...     net = torch.jit.trace(torch.nn.ReLU(), torch.zeros(2))
    """


class ScriptModule(rl.nn.Module):
    """A module that went through `script` or `trace`: its weights are the original's, its mode not.

    The modules inside it went through too, so `eval()` leaves the original as it was.

    >>> import rushlight as torch
    >>> scripted = torch.jit.script(torch.nn.Linear(2, 3))
    >>> isinstance(scripted, torch.jit.ScriptModule), scripted.original_name
    (True, 'Linear')
    """

    @property
    def original_name(self) -> str:
        """The name of the class that was scripted."""
        return _class_of(self).__name__

    @property
    def code(self) -> str:
        """The Python source of the module's forward."""
        with contextlib.suppress(OSError, TypeError):
            return inspect.getsource(_class_of(self).forward)
        return ""

    def save(self, f: Any, **kwargs: Any) -> None:
        """Store the model (as data: class names, attributes, weights) for `jit.load`."""
        save(self, f)

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"

    __repr__ = rl.nn.Module.__repr__  # containers have one of their own


class RecursiveScriptModule(ScriptModule):
    """What `script` makes of a module.

    >>> import rushlight as torch
    >>> isinstance(torch.jit.script(torch.nn.ReLU()), torch.jit.RecursiveScriptModule)
    True
    """


class TopLevelTracedModule(ScriptModule):
    """What `trace` makes of a module; it prints under the name of the class that was traced.

    >>> import rushlight as torch
    >>> torch.jit.trace(torch.nn.ReLU(), torch.zeros(2))
    ReLU(original_name=ReLU)
    """

    def _get_name(self) -> str:
        return self.original_name


def _class_of(module: Any) -> type:
    """The class a scripted module was made from; any other module's own."""
    bases = type(module).__bases__
    return bases[1] if len(bases) == 2 and issubclass(bases[0], ScriptModule) else type(module)


@functools.cache
def _kind(base: type, cls: type) -> type:
    return type(base.__name__, (base, cls), {"__module__": __name__})


def _rebuilt(module: Any, choose: Callable[[Any], Any], made: dict[int, Any]) -> Any:
    """The module tree again, of the classes `choose` gives, over the same weights."""
    if module is None or id(module) in made:
        return made.get(id(module))
    cls = choose(module)
    if cls is type(module):
        return module
    again = made[id(module)] = cls.__new__(cls)
    again.__dict__.update(module.__dict__)
    inside = {name: _rebuilt(child, choose, made) for name, child in module._modules.items()}
    again.__dict__["_modules"] = inside
    return again


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """Return a function or class as it is, a module as a ScriptModule with the same weights.

    The code keeps running as Python, so everything that runs unscripted runs scripted.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.jit.script.html

    >>> import rushlight as torch
    >>> torch.jit.script(torch.nn.Flatten())
    RecursiveScriptModule(original_name=Flatten)
    """
    return _scripted(obj, RecursiveScriptModule)


def _scripted(obj: Any, base: type) -> Any:
    if not _is(obj, rl.nn.Module):
        return obj

    def choose(module: Any) -> type:
        return type(module) if _is(module, ScriptModule) else _kind(base, type(module))

    return _rebuilt(obj, choose, {})


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Call `func` once with the example, so that a mistake shows now, and return it scripted.

    Arguments: `func`, a function or module; `example_inputs`, a tensor or tuple. The Python runs at
    every call, so branches that go by values stay branches.

    >>> import rushlight as torch
    >>> traced = torch.jit.trace(torch.nn.Linear(2, 3), torch.zeros(1, 2))
    >>> traced(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """
    if example_inputs is not None:
        given = example_inputs if _is(example_inputs, (tuple, list)) else (example_inputs,)
        with rl.no_grad():
            func(*given)
    return _scripted(func, TopLevelTracedModule)


def trace_module(mod: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """`script(mod)`; the example inputs are not needed.

    >>> import rushlight as torch
    >>> net = torch.jit.trace_module(torch.nn.ReLU(), {"forward": torch.zeros(2)})
    >>> net(torch.tensor([-1.0, 1.0]))
    tensor([0., 1.])
    """
    return script(mod)


def save(m: Any, f: Any, **kwargs: Any) -> None:
    """Store a scripted module: `rushlight.save` of a module of the classes it was made from.

    >>> import rushlight as torch
    >>> import io
    >>> file = io.BytesIO()
    >>> torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), file)
    >>> torch.jit.load(io.BytesIO(file.getvalue()))(torch.zeros(1, 2)).shape
    torch.Size([1, 3])
    """
    rl.save(_rebuilt(m, _class_of, {}) if _is(m, ScriptModule) else m, f)


def load(f: Any, map_location: Any = None, **kwargs: Any) -> Any:
    """Read what `jit.save` wrote; a class of your own must be defined by then.

    Raises: CheckpointError for a file that does not hold such a model.

    >>> import rushlight as torch
    >>> import io
    >>> file = io.BytesIO()
    >>> torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), file)
    >>> file.seek(0) == 0, torch.jit.load(file)(torch.zeros(5, 2)).shape
    (True, torch.Size([5, 3]))
    """
    found = rl.load(f, map_location, weights_only=False)
    if not _is(found, rl.nn.Module):
        raise RuntimeError(f"the file holds a {type(found).__name__}, not a scripted module")
    return script(found)


def _unchanged(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The function itself, or a decorator that returns it.

    >>> import rushlight as torch
    >>> class Net(torch.nn.Module):
    ...     @torch.jit.export
    ...     def double(self, x):
    ...         return 2 * x
    >>> torch.jit.script(Net()).double(torch.ones(1))
    tensor([2.])
    """
    return fn if callable(fn) else lambda given: given


export = ignore = script_method = unused = _unchanged


def freeze(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """The module itself.

    What torch folds into the graph has no counterpart: the Python goes on running.

    >>> import rushlight as torch
    >>> net = torch.jit.script(torch.nn.Linear(2, 3).eval())
    >>> torch.jit.freeze(net)(torch.zeros(1, 2)).shape
    torch.Size([1, 3])
    """
    return mod


def optimize_for_inference(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """The module itself: `torch.compile` is what makes it faster.

    >>> import rushlight as torch
    >>> net = torch.jit.script(torch.nn.ReLU())
    >>> torch.jit.optimize_for_inference(net) is net
    True
    """
    return mod


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Run the block; whether it should be optimised changes nothing.

    >>> import rushlight as torch
    >>> with torch.jit.optimized_execution(False):
    ...     print(torch.ones(1))
    tensor([1.])
    """
    yield


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value.

    >>> import rushlight as torch
    >>> torch.jit.annotate(int, 3)
    3
    """
    return the_value


def interface(obj: type) -> type:
    """A class whose methods say what others have; scripted code asks for it, and here it is itself.

    Raises: RuntimeError for what is no class.

    >>> import rushlight as torch
    >>> @torch.jit.interface
    ... class Doubles:
    ...     def double(self, x: torch.Tensor) -> torch.Tensor:
    ...         ...
    >>> Doubles.__name__
    'Doubles'
    """
    if not _is(obj, type):
        raise RuntimeError("interface must be applied to a class")
    return obj


def is_scripting() -> bool:
    """False: the code always runs as Python.

    >>> import rushlight as torch
    >>> torch.jit.is_scripting()
    False
    """
    return False


def is_tracing() -> bool:
    """False: the code always runs as Python.

    >>> import rushlight as torch
    >>> torch.jit.is_tracing()
    False
    """
    return False


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the function now; `wait` gives its result.

    Arguments: the function and what it is called with. The result is a Future that is done.

    >>> import rushlight as torch
    >>> torch.jit.wait(torch.jit.fork(torch.add, torch.tensor(1), torch.tensor(2)))
    tensor(3)
    """
    return _Done(func(*args, **kwargs))


def wait(future: Any) -> Any:
    """The result of a `fork`.

    >>> import rushlight as torch
    >>> torch.jit.wait(torch.jit.fork(torch.add, torch.ones(1), 2))
    tensor([3.])
    """
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


_SELDOM = (
    "Attribute CompilationUnit Error ScriptFunction ScriptWarning TracingCheckError"
    " enable_onednn_fusion onednn_fusion_enabled run_frozen_optimizations script_if_tracing"
    " set_fusion_strategy strict_fusion"
).split()
_explain_missing(
    __name__,
    {
        "annotations": ("rushlight.jit.annotations", None),
        "Future": ("rushlight.futures", "Future"),
        "set_module": ("rushlight.utils.naming", "set_module"),
        **{name: ("rushlight.jit.seldom", name) for name in _SELDOM},
    },
)

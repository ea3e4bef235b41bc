"""torch.compiler: what code may ask of, and tell, the compiler that traces it.

Source: https://pytorch.org/docs/stable/torch.compiler_api.html
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from typing import Any

from .core.names import explain_missing as _explain_missing
from .core.state import STATE
from .functions.compilation import DEFAULT, compile

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile",
    "cudagraph_mark_step_begin", "disable", "get_default_backend", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "load_cache_artifacts",
    "nested_compile_region", "reset", "save_cache_artifacts", "set_default_backend", "set_stance",
]  # fmt: skip


def is_compiling() -> bool:
    """Whether the running line is being traced by `torch.compile` or `torch.export`.

    >>> import rushlight as torch
    >>> torch.compiler.is_compiling()
    False
    """
    return STATE.tracer is not None or STATE.exporting or STATE.follower is not None


def is_dynamo_compiling() -> bool:
    """Whether the running line is being traced by `torch.compile`.

    >>> import rushlight as torch
    >>> torch.compiler.is_dynamo_compiling()
    False
    """
    return STATE.tracer is not None or STATE.follower is not None


def is_exporting() -> bool:
    """Whether the running line is being traced by `torch.export`.

    >>> import rushlight as torch
    >>> torch.compiler.is_exporting()
    False
    """
    return STATE.exporting


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The backends that `torch.compile` knows by name: "inductor" means "llvm", where llvmlite is.

    >>> import rushlight as torch
    >>> "numpy" in torch.compiler.list_backends()
    True
    """
    return importlib.import_module(f"{__package__}._dynamo.backends").list_backends(exclude_tags)


def set_default_backend(backend: str | Callable[..., Any] | None) -> None:
    """Say which backend `torch.compile` takes where none is given; None for the usual one again.

    Functions that are compiled already keep theirs. Raises TypeError for what is neither a name
    nor a function.
    Source: https://docs.pytorch.org/docs/stable/torch.compiler_api.html

    >>> import rushlight as torch
    >>> torch.compiler.set_default_backend("numpy")
    >>> torch.compiler.get_default_backend()
    'numpy'
    >>> torch.compiler.set_default_backend(None)
    >>> torch.compiler.get_default_backend()
    'inductor'
    """
    if not (backend is None or isinstance(backend, str) or callable(backend)):
        raise TypeError(f"backend must be a string or callable, got {type(backend)}")
    DEFAULT[0] = backend


def get_default_backend() -> str | Callable[..., Any]:
    """The backend that `torch.compile` takes where none is given.

    >>> import rushlight as torch
    >>> torch.compiler.get_default_backend()
    'inductor'
    """
    return "inductor" if DEFAULT[0] is None else DEFAULT[0]


class CacheInfo:
    """What was carried from one cache to another: `artifacts`, names of entries by their kind."""

    def __init__(self, names: list[str]) -> None:
        self.artifacts = {"rushlight": names} if names else {}

    def empty(self) -> bool:
        """Whether there was nothing."""
        return not self.artifacts


def save_cache_artifacts() -> tuple[bytes, CacheInfo] | None:
    """All programs that this process compiled or found compiled, as bytes; None without any.

    They are machine code: for processors of this kind, this version of the package and the code
    that was compiled. Elsewhere they do no harm and are not used.
    Source: https://docs.pytorch.org/tutorials/recipes/torch_compile_caching_tutorial.html

    >>> import rushlight as torch
    >>> saved = torch.compiler.save_cache_artifacts()
    >>> saved is None or type(saved[0])
    <class 'bytes'>
    """
    found = importlib.import_module(f"{__package__}.compile.disk.carried").packed()
    return None if found is None else (found[0], CacheInfo(found[1]))


def load_cache_artifacts(serialized_artifacts: bytes) -> CacheInfo | None:
    """Put programs that `save_cache_artifacts` gave into this machine's cache.

    Load only bytes of people whose code you would run. Other or damaged bytes are left alone: a
    warning says so, and the result is None.

    >>> import rushlight as torch
    >>> saved = torch.compiler.save_cache_artifacts()
    >>> info = None if saved is None else torch.compiler.load_cache_artifacts(saved[0])
    >>> info is None or info.artifacts == saved[1].artifacts
    True
    """
    carried = importlib.import_module(f"{__package__}.compile.disk.carried")
    try:
        return CacheInfo(carried.unpacked(serialized_artifacts))
    except ValueError as error:
        warnings.warn(str(error), stacklevel=2)
        return None


def nested_compile_region(fn: Any = None, **_: Any) -> Any:
    """The function itself: parts that are alike share their code without being marked.

    >>> import rushlight as torch
    >>> torch.compiler.nested_compile_region(torch.relu) is torch.relu
    True
    """
    return fn if fn is not None else nested_compile_region


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Keep a function out of compiled programs: a call that reaches it goes on eagerly from there.

    Arguments: `recursive` is accepted; `reason` is told where the call is said to stay eager.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.disable.html

    >>> import rushlight as torch
    >>> @torch.compiler.disable
    ... def twice(x): return 2 * x
    >>> twice(torch.ones(1))
    tensor([2.])
    """
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)

    @functools.wraps(fn)
    def eager(*args: Any, **kwargs: Any) -> Any:
        if STATE.tracer is not None:
            name = getattr(fn, "__qualname__", repr(fn))
            STATE.tracer.stop(reason or f"{name} is not to be compiled (torch.compiler.disable)")
        if STATE.follower is not None:
            with STATE.follower.pause(reason or "a function under torch.compiler.disable"):
                return fn(*args, **kwargs)
        return fn(*args, **kwargs)

    return eager


def allow_in_graph(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: whatever it does on tensors is traced.

    >>> import rushlight as torch
    >>> torch.compiler.allow_in_graph(torch.relu) is torch.relu
    True
    """
    return fn


def assume_constant_result(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: numbers of Python's are constants of the program that meets them.

    >>> import rushlight as torch
    >>> def seven():
    ...     return 7
    >>> torch.compiler.assume_constant_result(seven)()
    7
    """
    return fn


def cudagraph_mark_step_begin() -> None:
    """Nothing: there are no CUDA graphs whose memory a new step could take over.

    >>> import rushlight as torch
    >>> torch.compiler.cudagraph_mark_step_begin()
    """


def reset() -> None:
    """Forget all programs: every compiled function is traced anew when it is next called.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.reset.html

    >>> import rushlight as torch
    >>> twice = torch.compile(lambda x: 2 * x)
    >>> twice(torch.ones(1)), len(twice.programs)
    (tensor([2.]), 1)
    >>> torch.compiler.reset()
    >>> len(twice.programs)
    0
    """
    for name in ("compile.api", "_dynamo.segmented"):
        importlib.import_module(f"{__package__}.{name}").reset()


class set_stance:
    """Say what is done with compiled functions from now on, in a `with` block, or in a function.

    "default"; "force_eager": programs are not run; "eager_on_recompile": a call that has no
    program yet runs eagerly; "fail_on_recompile": it is a RuntimeError; "eager_then_compile" and
    "aot_eager_then_compile": the first call of each function runs eagerly.
    `skip_guard_eval_unsafe` and `force_backend` are torch's; guards are always looked at, and a
    backend by force is refused with NotImplementedError.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.set_stance.html

    >>> import rushlight as torch
    >>> with torch.compiler.set_stance("force_eager"):
    ...     torch.compile(lambda x: x + 1)(torch.ones(1))
    tensor([2.])
    """

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False,
        force_backend: Any = None,
    ) -> None:  # fmt: skip
        if force_backend is not None:
            raise NotImplementedError("compile with the backend: torch.compile(f, backend=...)")
        self.stance, self._api = stance, importlib.import_module(f"{__package__}.compile.api")
        self._before = [self._api.stand(stance)]

    def __enter__(self) -> None:
        if not self._before:  # entered once more
            self._before.append(self._api.stand(self.stance))

    def __exit__(self, *_: Any) -> None:
        self._api.stand(self._before.pop())

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        self.__exit__()

        @functools.wraps(fn)
        def standing(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self.stance):
                return fn(*args, **kwargs)

        return standing


_explain_missing(__name__)

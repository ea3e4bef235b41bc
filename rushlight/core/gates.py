"""What users call, as objects of their own, and the way from there to `__torch_function__`.

A public function is a copy of the function inside, made of the same code and cells, so that a call
costs nothing more; the library itself calls the functions inside. When a class that handles
operations appears, the code of the copies is exchanged for one that asks such classes first.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

from .errors import is_our_function, is_ours
from .names import Later
from .overrides import ASKING, CODES, MODES, ON_CONTACT, dispatch, overloaded
from .state import CLOSED
from .tensor import Tensor

_lock = threading.RLock()
GATES: dict[int, Gate] = {}  # by the id of the public function
_own: dict[str, Any] = {}  # Tensor's properties, while they have gates of their own

# Public names, below the package's, whose calls no handler sees.
UNSEEN = frozenset("""
are_deterministic_algorithms_enabled as_tensor can_cast compile cond from_numpy from_dlpack
get_default_device get_default_dtype get_deterministic_debug_mode get_float32_matmul_precision
get_num_interop_threads get_num_threads get_rng_state initial_seed is_autocast_enabled
is_deterministic_algorithms_warn_only_enabled is_grad_enabled is_storage is_tensor
is_warn_always_enabled manual_seed named_result promote_types scan seed set_default_device
set_default_tensor_type set_deterministic_debug_mode set_float32_matmul_precision
set_flush_denormal set_num_interop_threads set_num_threads set_rng_state set_warn_always typename
use_deterministic_algorithms while_loop autocast calculate_gain
""".split())  # fmt: skip


_BY_MODES = frozenset(("tensor", "asarray"))  # what these are given is data
_TENSORS = frozenset(
    """
batch1 condition index mask mat mat1 mat2 other source src tensor1 tensor2 tensors values vec vec1
vec2 weight x2
""".split()
)  # parameters of methods that are tensors too


class _State:
    asking = False  # some class handles operations: what takes tensors asks
    modes = 0  # how many modes are active, in all threads


STATE = _State()


@functools.cache
def _template(free: tuple[str, ...]) -> CodeType:
    """The code of a gate for functions with these free variables: it keeps them, unused."""
    lines = [
        "def outer():", *(f"    {name} = None" for name in free), "    def gate(*_a, **_k):",
        "        _r = 'here'", f"        if _r is None: return ({' '.join(f'{n},' for n in free)})",
        "        return _r(_a, _k)",
    ]  # fmt: skip
    outer = compile("\n".join(lines), __file__, "exec").co_consts[0]
    return next(one for one in outer.co_consts if type(one) is CodeType)


def _leading(function: FunctionType, taken: Callable[..., Any], inner: Any) -> CodeType:
    """Code for the function that hands (positional, named) arguments over to `taken`."""
    own, code = function.__code__, _template(function.__code__.co_freevars)
    consts = tuple(taken if one == "here" else one for one in code.co_consts)
    function.__wrapped__ = inner
    return code.replace(co_consts=consts, co_name=own.co_name, co_qualname=own.co_qualname)


def surround(function: FunctionType, around: Callable[..., Any]) -> None:
    """From now on calls are `around(what it was, args, kwargs)`; it stays the object that it is."""
    function = _exposed(function)
    function.surrounded = True
    gate = GATES.get(id(function))
    if gate is not None:
        gate.surround(around)
        return
    inner = _twin(function)
    function.__code__ = _leading(function, functools.partial(around, inner), inner)


def _twin(function: FunctionType) -> FunctionType:
    """Another function object that does the same."""
    twin = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__,
        function.__defaults__, function.__closure__,
    )  # fmt: skip
    twin.__kwdefaults__, twin.__doc__ = function.__kwdefaults__, function.__doc__
    twin.__dict__.update(function.__dict__)
    twin.__annotations__ = function.__annotations__
    return twin


class Gate:
    """A public function, the function inside, and its two codes."""

    __slots__ = ("direct", "inner", "loud", "owner", "plain", "public")

    def __init__(self, public: FunctionType, inner: Callable[..., Any], owner: Any) -> None:
        self.public, self.inner, self.plain, self.owner = public, inner, public.__code__, owner
        # The ops themselves find out without this, and methods of a plain tensor alone need not:
        # they ask only where a mode wants to see everything.
        takes = self.plain.co_varnames[1 : self.plain.co_argcount]
        self.direct = (
            "prim" in self.plain.co_freevars or public.__qualname__ in _BY_MODES
            or (owner is not None and _TENSORS.isdisjoint(takes))
        )  # fmt: skip
        self.loud: CodeType | None = None

    def fit(self) -> None:
        """Give the public function the code that the hour asks for."""
        if not (STATE.modes or (STATE.asking and not self.direct)):
            self.public.__code__ = self.plain
            return
        if self.loud is None:
            self.loud = _failing(_leading(self.public, self.route, self.inner))
            ASKING[id(self.loud)] = self.public
        self.public.__code__ = self.loud

    def surround(self, around: Callable[..., Any]) -> None:
        """What `around` makes of the function inside is inside from now on."""
        inner = self.inner
        outer: Any = lambda *args, **kwargs: around(inner, args, kwargs)
        self.inner = functools.update_wrapper(outer, inner)
        for table in (CODES, ASKING):
            table.pop(id(self.plain), None)
        self.plain = _failing(_leading(self.public, functools.partial(around, inner), inner))
        CODES[id(self.plain)] = ASKING[id(self.plain)] = self.public
        self.fit()

    def route(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of the public function while there may be handlers."""
        found = overloaded(args, kwargs)
        if not found and not MODES.active:
            return self.inner(*args, **kwargs)
        handed = getattr(self.public, "handed", None)
        if handed is not None and found:
            args = handed(args)  # as classes are to be given them
        name = self.public.__name__
        if self.owner is None or name[:2] != "__":
            return dispatch(self.public, found, args, kwargs)
        public = method(_BEHIND.get(name, name))
        if name not in _OPERATORS:
            return dispatch(public, found, args, kwargs)
        return _operator(lambda *both: dispatch(public, found, both, kwargs))(*args)


def publish(inner: Any, home: str, name: str, owner: Any = None) -> Any:
    """The object that users have of a function; anything but a plain function is left as it is."""
    space = home.partition(".")[2]
    path = f"{space}.{name}" if space else name
    if type(inner) is not FunctionType or path in UNSEEN:
        return inner
    known = GATES.get(id(inner))
    if known is not None:
        inner = known.inner
    key = home, name if owner is None else f"Tensor.{name}"
    with _lock:
        if key not in _made:
            _made[key] = _copied(spelled(inner, path if owner is None else key[1]), *key, owner)
        return _made[key]


_made: dict[tuple[str, str], Any] = {}


def _copied(inner: FunctionType, home: str, name: str, owner: Any) -> FunctionType:
    public = _twin(inner)
    public.__module__, public.__qualname__ = home, name
    public.__code__ = _failing(public.__code__)
    if home == __name__.partition(".")[0]:
        public.__name__ = name.rpartition(".")[2]
    gate = Gate(public, inner, owner)
    GATES[id(public)] = gate
    CODES[id(public.__code__)] = public
    gate.fit()
    return public


def _failing(code: CodeType) -> CodeType:
    """The same code, whose errors are looked at; a bare import publishes nothing."""
    return importlib.import_module(f"{__package__}.failures").explained(code)


def spelled(function: Any, path: str) -> Any:
    """The function with torch's names of arguments."""
    return importlib.import_module(f"{__package__}.spelling").spelled(function, path)


def publish_all(module: dict[str, Any], names: Iterable[str] | None = None) -> None:
    """The same for the public functions of a module, given as its names."""
    home = module["__name__"]
    for name in list(module if names is None else names):
        value = module[name]
        if name[:1] != "_" and type(value) is FunctionType and _ours(value):
            module[name] = publish(value, home, name)


def _ours(function: FunctionType) -> bool:
    return function.__module__.partition(".")[0] == __name__.partition(".")[0]


def refit() -> None:
    """All public functions, and Tensor's properties, as the hour asks."""
    for gate in list(GATES.values()):
        gate.fit()


def start_asking() -> None:
    """From now on public functions look for classes that handle operations."""
    with _lock:
        if not STATE.asking:
            STATE.asking = True
            refit()


def enter_mode(mode: Any, outermost: bool = False) -> None:
    """Let a mode see all public calls of this thread, after all others if it is the outermost."""
    with _lock:
        MODES.active.insert(0 if outermost else len(MODES.active), mode)
        STATE.modes += 1
        CLOSED[0] += 1
        if STATE.modes == 1:
            _gate_tensor()
            refit()


def leave_mode(outermost: bool = False) -> None:
    """End the innermost mode of this thread, or the outermost."""
    with _lock:
        MODES.active.pop(0 if outermost else -1)
        STATE.modes -= 1
        CLOSED[0] -= 1
        if STATE.modes == 0:
            refit()
            for name, value in _own.items():
                setattr(Tensor, name, value)
            _own.clear()


class Stand:
    """An operator in Python and the native function in its place (`swift.py`)."""

    __slots__ = ("leave_to", "made", "python")

    def __init__(self, made: Any, python: Any, leave_to: Callable[[Any, Any], None]) -> None:
        self.made, self.python, self.leave_to = made, python, leave_to


STANDS: dict[str, Stand] = {}  # by operator


def _behind(found: Any) -> Any:
    """The operator in Python, of what stands for it; anything else as it is."""
    for stand in STANDS.values():
        if stand.made is found:
            return stand.python
    return found


def _place(name: str, python: Any) -> None:
    """Make a function an attribute of Tensor, or what stands behind the native one there."""
    stand = STANDS.get(name)
    if stand is None or vars(Tensor).get(name) is not stand.made:
        setattr(Tensor, name, python)
        return
    stand.leave_to(stand.made, python)
    stand.python = python


def _exposed(found: Any) -> Any:
    """The operator in Python, back in its place for good: something is put around it."""
    for name, stand in STANDS.items():
        if found is stand.made or found is stand.python:
            setattr(Tensor, name, stand.python)
            return stand.python
    return found


# Names of Tensor that no handler sees: Python's own business, and what makes tensors.
_PRIVATE = frozenset("""
__annotations__ __array_namespace__ __array_priority__ __class__ __copy__ __delattr__ __delitem__
__dict__ __dir__ __dlpack_device__ __doc__ __firstlineno__ __getattribute__ __hash__ __init__
__init_subclass__ __iter__ __module__ __new__ __setattr__ __setstate__ __slots__
__static_attributes__ __subclasshook__ __torch_function__ __weakref__ as_subclass
new_tensor new _make_subclass _make_wrapper_subclass
""".split())  # fmt: skip
# What torch calls the methods behind operators.
_BEHIND = {
    **{f"__{name}__": name for name in "add sub mul matmul ne lt le gt ge neg abs".split()},
    **{f"__r{name}__": name for name in "add mul".split()},
    **{f"__i{name}__": f"{name}_" for name in "add sub mul".split()},
    "__truediv__": "div", "__itruediv__": "div_", "__div__": "div", "__mod__": "remainder",
    "__pos__": "positive", "__rdiv__": "__rtruediv__",
}  # fmt: skip


def seen_names() -> list[str]:
    """Tensor's attributes that handlers are asked for."""
    return [
        name for name in vars(Tensor)
        if name not in _PRIVATE and (name[:1] != "_" or name[:2] == "__" or name == "_version")
    ]  # fmt: skip


def method(name: str) -> Any:
    """The public function of Tensor's method of that name, or what else (a user's) stands there."""
    found = _own.get(name) or vars(Tensor).get(name)
    if isinstance(found, Later):
        found = getattr(Tensor, name)
    found = _behind(found)
    if type(found) is FunctionType and id(found) not in GATES and is_our_function(found):
        found = publish(found, "rushlight", name, Tensor)
        _place(name, found)
    return found


def _gate_tensor() -> None:
    """Tensor's own methods and properties ask too, for a mode."""
    for name in seen_names():
        own = None if isinstance(vars(Tensor)[name], Later) else method(name)
        if isinstance(own, property):
            _own[name] = own
            setattr(Tensor, name, _Property(own))


class _Property:
    """A property of Tensor that asks handlers first."""

    def __init__(self, own: property) -> None:
        self.own, self.__doc__ = own, own.__doc__

    def _ask(self, action: Callable[..., Any], *args: Any) -> Any:
        found = overloaded(args, {})
        return dispatch(action, found, args, {}) if found or MODES.active else action(*args)

    def __get__(self, instance: Any, kind: type | None = None) -> Any:
        return self.own if instance is None else self._ask(self.own.__get__, instance)

    def __set__(self, instance: Any, value: Any) -> None:
        self._ask(self.own.__set__, instance, value)

    def __delete__(self, instance: Any) -> None:
        self._ask(self.own.__delete__, instance)


@functools.cache
def _gated(name: str) -> Any:
    """What a subclass has in the place of Tensor's attribute of that name."""
    own = method(name)
    if isinstance(own, property):
        return _Property(own)
    inner = GATES[id(own)].inner
    public = method(_BEHIND.get(name, name))
    unreflected = f"__{name[3:]}" if name.startswith("__r") and name in _OPERATORS else None
    forward = method(_BEHIND.get(unreflected, unreflected)) if unreflected else None

    def asking(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = overloaded((self, *args), kwargs)
        if not found and not MODES.active:
            return inner(self, *args, **kwargs)
        if forward is not None and isinstance(args[0], Tensor):
            return dispatch(forward, found, (args[0], self), kwargs)
        return dispatch(public, found, (self, *args), kwargs)

    asked = _operator(asking) if name in _OPERATORS else asking
    return functools.wraps(inner)(asked)


def _operator(asking: Callable[..., Any]) -> Callable[..., Any]:
    """As an operator: what it cannot take is left to the other side."""

    def operator(self: Any, other: Any) -> Any:
        try:
            return asking(self, other)
        except TypeError:
            if isinstance(other, _OPERANDS):
                raise
            return NotImplemented

    return operator


_OPERANDS = (Tensor, int, float, complex)
_OPERATORS = frozenset(
    f"__{prefix}{name}__" for prefix in ("", "r")
    for name in "add sub mul truediv div pow mod floordiv matmul and or xor lshift rshift".split()
) | frozenset(f"__{name}__" for name in "eq ne lt le gt ge".split())  # fmt: skip


def subclass_made(kind: type) -> None:
    """A subclass of Tensor was defined: if it handles operations itself, its attributes ask."""
    handler = kind.__torch_function__
    own = getattr(handler, "__func__", None)
    if own is None or own is default_handler():
        return
    start_asking()
    for name in seen_names():
        home = next(base for base in kind.__mro__ if name in vars(base))
        own = method(name) if home is Tensor else None
        if isinstance(own, property) or id(own) in GATES:
            setattr(kind, name, _gated(name))


def default_handler() -> Any:
    return Tensor.__torch_function__.__func__  # type: ignore[attr-defined]  # a class method


def about_to_speak(depth: int = 2) -> None:
    """Look whether the code that asks for a public name defines, or has, a class with a handler.

    Such a class need not be a Tensor's; its first call would else be known only by the op inside.
    """
    if STATE.asking:
        return
    frame = sys._getframe(depth)
    while is_ours(frame) and frame.f_back:
        frame = frame.f_back
    if _mentions(frame.f_code) or any(map(_handles, list(frame.f_globals.values()))):
        start_asking()


ON_CONTACT.append(start_asking)


@functools.lru_cache(512)
def _mentions(code: CodeType) -> bool:
    return "__torch_function__" in code.co_names or any(
        type(one) is CodeType and "__torch_function__" in one.co_names for one in code.co_consts
    )


def _handles(value: Any) -> bool:
    return isinstance(value, type) and "__torch_function__" in value.__dict__ and (
        not issubclass(value, Tensor)
    )  # fmt: skip

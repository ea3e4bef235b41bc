"""What a call can see, written down so that equal texts mean equal traces.

The way goes from the function and its arguments through code, closures, globals, attributes and
containers; every object gets a number, in the order of the way. Objects that are equal in two
processes have the same numbers there, so that what a trace found can be said by number. Whatever
could make a trace differ and cannot be written down (a file, the clock, another library, memory
that NumPy holds, a name made up at run time) raises `Unclear`: such a call is traced.
"""

from __future__ import annotations

import builtins
import dis
import functools
import marshal
import os
import sys
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import dtypes
from ...core.names import home as _home
from ...core.names import own_name
from ...core.shapes import Size
from ...core.tape import LEAF, owner_of
from ...core.tensor import EAGER_TYPES, Tensor
from ..tracing.exchanged import Noting
from ..tracing.stores import SKIPPED
from .digest import of_code
from .names import OUTSIDE, chains_in
from .owned import own_code, own_module

HOME = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
_PACKAGE = __name__.split(".")[0]
_PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None), type(Ellipsis)))
_LONG, _LIMIT = 20_000, 500_000
_NUMBERS = frozenset("?bBhHiIlLqQefdFD")
# Functions and types of Python's own whose results depend on nothing but their arguments.
_BUILTINS = frozenset(
    "abs all any bool callable complex dict divmod enumerate filter float int isinstance issubclass"
    " iter len list map max min next pow range reversed round slice sorted str sum super tuple zip"
    " object".split()
)
_PURE = frozenset(("math", "operator", "_operator", "itertools", "collections", "__future__",
                   "typing", "collections.abc", "abc"))  # fmt: skip
_FORBIDDEN = frozenset(
    dis.opmap.get(name, -1)
    for name in ("IMPORT_NAME", "IMPORT_STAR", "IMPORT_FROM", "BUILD_SET", "SET_ADD", "SET_UPDATE",
                 "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_BUILD_CLASS")
) - {-1}  # fmt: skip
_WRITES_OUT = frozenset(
    dis.opmap.get(name, -1)
    for name in ("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE")
) - {-1}  # fmt: skip
# Attributes that tell of addresses, versions or the interpreter instead of values and forms.
_TELLING = frozenset(
    "from_dlpack data_ptr _version storage untyped_storage _typed_storage __dict__ __class__"
    " attrgetter methodcaller get_type_hints __code__ __globals__ __closure__ __builtins__"
    " __subclasses__ __getattribute__ gi_frame f_back _getframe".split()
)
# Where functions and classes of the package stand that look at nothing but what they are given.
_OURS = tuple(
    os.path.join(HOME, *place.split("/"))
    for place in ("nn/", "optim/", "ops/", "functions/", "core/calls", "core/dtypes", "core/shapes",
                  "core/tensor", "core/inplace", "core/families", "methods", "linalg", "fft",
                  "special", "func", "functional", "autograd/modes", "autograd/vmap",
                  "autograd/backward")
)  # fmt: skip
_NOT_OURS = tuple(
    os.path.join(HOME, *place.split("/"))
    for place in ("functions/settings", "functions/threads", "functions/drawing",
                  "functions/storage", "functions/compilation", "functions/eager_kernels",
                  "nn/attention", "nn/parallel", "nn/utils/parametrize", "optim/lr_scheduler")
)  # fmt: skip


class Unclear(Exception):
    """Something that cannot be written down."""


class World:
    """The description of a call; `objects` by number, `text` once all is said."""

    def __init__(self, call: Any) -> None:
        self.names: frozenset[str] = frozenset()
        while True:  # until no code comes to light that uses further names
            self.objects: list[Any] = []
            self.numbers: dict[int, int] = {}
            self._said: list[Any] = []
            self._memory: dict[int, int] = {}
            self._unmade: set[type] = set()  # classes of which only objects were met
            self._code: dict[types.CodeType, int] = {}
            self._spaces: list[types.ModuleType] = []
            self.globals: dict[int, dict[str, Any]] = {}  # of the user's functions
            found = set(self.names)
            self._found = found
            self.say(call)
            for module in self._spaces:
                self._uses(module)
            if len(found) == len(self.names):
                break
            self.names = frozenset(found)
        try:
            self.text = marshal.dumps(self._said, 0)
        except ValueError as error:
            raise Unclear(str(error)) from error

    def number(self, x: Any) -> int:
        """The number of an object that was met."""
        found = self.numbers.get(id(x))
        if found is None:
            raise Unclear(f"a {type(x).__name__} out of reach")
        return found

    def say(self, x: Any) -> None:
        """Write a value down, and all behind it."""
        kind = type(x)
        if kind in _PLAIN:
            self._said += (kind.__name__, None if x is ... else x)
            return
        known = self.numbers.get(id(x))
        if known is not None:
            self._said += ("again", known)
            if kind is type and x in self._unmade:
                self._unmade.remove(x)
                self._making(x)
            return
        self.numbers[id(x)] = len(self.objects)
        self.objects.append(x)
        if len(self._said) > _LIMIT:
            raise Unclear("too much to write down")
        rule = _RULES.get(types.ModuleType if kind is Noting else kind)
        if rule is not None:
            rule(self, x)
        elif kind in EAGER_TYPES:
            self._tensor(x)
        elif isinstance(x, type):
            self._class(x)
        else:
            self._object(x)

    def _all(self, kind: str, parts: Any) -> None:
        parts = list(parts)
        if len(parts) > _LONG:
            raise Unclear("a long list")
        self._said += (kind, len(parts))
        for part in parts:
            self.say(part)

    # --- data

    def _tensor(self, x: Tensor) -> None:
        array, entry = x._array, x._entry
        if type(array) is not np.ndarray or array.dtype.char not in _NUMBERS:
            raise Unclear("a tensor of another kind")
        if entry is not None and entry is not LEAF:
            raise Unclear("a tensor with a history")
        owner = owner_of(array)
        start = _address(owner) if type(owner) is np.ndarray else 0
        held = self._memory.setdefault(id(owner), len(self._memory))
        flags = array.flags
        self._said += (
            type(x).__name__, array.shape, array.strides, array.dtype.str, entry is LEAF, held,
            _address(array) - start if start else type(owner).__name__, owner is array,
            flags.writeable, flags.aligned,
        )  # fmt: skip
        if not start and owner is not array:
            raise Unclear("memory of another library")
        for key in sorted(vars(x)):
            value = vars(x)[key]
            if key == "_views" and value and any(view() is not None for view in value):
                raise Unclear("a tensor with views")
            if key in ("_grad", "_base") or type(value) in _PLAIN:
                self._said.append(key)
                self.say(value)
            elif value and key != "_views":
                raise Unclear(f"a tensor with {key}")

    def _dict(self, x: Any) -> None:
        if len(x) > _LONG:
            raise Unclear("a large dictionary")
        self._said += (type(x).__name__, len(x))
        if type(x) is defaultdict:
            self.say(x.default_factory)
        for key, value in x.items():
            self.say(key)
            self.say(value)

    def _set(self, x: Any) -> None:
        if len(x) > 1:
            raise Unclear("a set, whose order is chance")
        self._all("set", x)

    # --- code

    def _function(self, x: types.FunctionType) -> None:
        if not own_code(x):
            self._of_ours(x)
            return
        if set(vars(x)) - {"__wrapped__"}:
            raise Unclear("a function with attributes")
        code = x.__code__
        self.globals[id(x.__globals__)] = x.__globals__
        self._said += ("function", *self._written(code))
        outside = [chain[0] for chain in chains_in(code) if chain[0].startswith(OUTSIDE)]
        for name in dict.fromkeys(one.removeprefix(OUTSIDE) for one in outside):
            self._said.append(name)
            if name in x.__globals__:
                self.say(x.__globals__[name])
            elif not _is_plain_builtin(name):
                raise Unclear(f"{name} of Python's own")
        for cell in x.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:
                self._said.append("empty")
                continue
            self.numbers[id(cell)] = len(self.objects)
            self.objects.append(cell)
            self.say(content)
        self.say(x.__defaults__)
        self.say(x.__kwdefaults__)

    def _written(self, code: types.CodeType) -> tuple[Any, ...]:
        known = self._code.get(code)
        if known is not None:
            return ("code", known)
        self._code[code] = len(self._code)
        number, names = _facts(code)
        if not names.isdisjoint(_TELLING):
            raise Unclear("code that asks for addresses")
        self._found |= names
        return ("code", number)

    def _of_ours(self, x: types.FunctionType) -> None:
        """A function of the package: which one."""
        code = x.__code__
        if not _is_ours(code.co_filename):
            raise Unclear(f"{x.__qualname__} of a library")
        if x.__closure__ and not _public(x):
            raise Unclear(f"{x.__qualname__}, which holds something")
        place = code.co_filename.removeprefix(HOME), code.co_firstlineno
        self._said += ("ours", *place, x.__module__, x.__qualname__)

    def _method(self, x: types.MethodType) -> None:
        self._said.append("method")
        self.say(x.__func__)
        self.say(x.__self__)

    def _partial(self, x: Any) -> None:
        self._all("partial", (x.func, *x.args, x.keywords))

    def _builtin(self, x: Any) -> None:
        home = x.__module__
        if not (home in _PURE or (home == "builtins" and _is_plain_builtin(x.__name__))):
            raise Unclear(f"{home}.{x.__name__}")
        if not isinstance(x.__self__, types.ModuleType):
            raise Unclear("a bound function")
        self._said += ("builtin", home, x.__name__)

    def _module(self, x: types.ModuleType) -> None:
        name = x.__name__
        self._said += ("module", name)
        if name.split(".")[0] == _PACKAGE:
            self._spaces.append(x)
        elif name in _PURE:
            for key in self.names.intersection(vars(x)):
                if isinstance(vars(x)[key], types.FunctionType) and own_code(vars(x)[key]):
                    raise Unclear(f"{name}.{key}, which was replaced")
        else:
            if not own_module(x) or "__getattr__" in vars(x):
                raise Unclear(f"module {name}")
            for key in sorted(self.names.intersection(vars(x))):
                self._said.append(key)
                self.say(vars(x)[key])

    def _uses(self, module: types.ModuleType, seen: Any = ()) -> None:
        """What the code may take from a module of the package must be of the plain kind."""
        for name in sorted(self._found.intersection(dir(module))):  # they may load
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                if own_name(value).split(".")[0] == _PACKAGE and value not in seen:
                    self._uses(value, (*seen, module, value))
            elif isinstance(value, types.FunctionType):
                if not _is_ours(value.__code__.co_filename):
                    raise Unclear(f"{module.__name__}.{name}")
            elif isinstance(value, type):
                if not _is_the_package(value) or not _of_library(value):
                    raise Unclear(f"{module.__name__}.{name}")
            elif type(value) not in _PLAIN and type(value) not in _WORDS and not _is_mode(value):
                raise Unclear(f"{module.__name__}.{name}")

    # --- classes and their objects

    def _class(self, x: type) -> None:
        home = _home(x)
        if home == "builtins":
            if not (_is_plain_builtin(x.__name__) or issubclass(x, BaseException)):
                raise Unclear(x.__name__)
            self._said += ("type", x.__name__)
        elif _is_the_package(x):
            if not _of_library(x):
                raise Unclear(x.__qualname__)
            self._said += ("class", home, x.__qualname__)
        elif home == "numpy" and issubclass(x, np.generic):
            self._said += ("type", x.__name__)
        elif home in _PURE:
            self._said += ("type", home, x.__qualname__)
        elif _is_own(x):
            self._own_class(x)
        else:
            raise Unclear(f"class {x.__qualname__} of a library")

    def _making(self, x: type) -> None:
        """How objects of a class are made."""
        for key in ("__new__", "__init__"):
            self.say(vars(x).get(key))

    def _own_class(self, x: type, made: bool = True) -> None:
        if type(x) is not type or "__slots__" in vars(x):
            raise Unclear(f"class {x.__qualname__}")
        self._said += ("own class", x.__module__, x.__qualname__)
        self._all("bases", [base for base in x.__bases__ if base is not object])
        if made:
            self._making(x)
        else:
            self._unmade.add(x)
        for key, value in vars(x).items():
            if key not in _IGNORED and self._may_be_used(x, key, value):
                self._said.append(key)
                if isinstance(value, property):
                    self._all("property", (value.fget, value.fset, value.fdel))
                else:
                    self.say(value.__func__ if isinstance(value, staticmethod) else value)

    def _may_be_used(self, x: type, key: str, value: Any) -> bool:
        """Whether code in sight, Python itself or the package may look at a class's part."""
        if key in _TOLD:
            return _FORMATS in self.names and isinstance(value, types.FunctionType)
        special = key[:2] == key[-2:] == "__"
        if key in self.names or (special and isinstance(value, types.FunctionType)):
            return True
        return any(_is_the_package(base) and hasattr(base, key) for base in x.__mro__)

    def _object(self, x: Any) -> None:
        kind = type(x)
        table = getattr(x, "__dict__", None)
        if _home(kind) == f"{_PACKAGE}.compile.api":
            self._said.append("compiled")
            self.say(x.function)
            return
        if type(table) is not dict or kind.__flags__ & _BUILT_IN or not _is_user_or_layer(kind):
            raise Unclear(f"a {kind.__module__}.{kind.__qualname__}")
        self._said.append("object")
        if id(kind) in self.numbers or not _is_own(kind):
            self.say(kind)
        else:
            self.numbers[id(kind)] = len(self.objects)
            self.objects.append(kind)
            self._own_class(kind, made=False)
        self.numbers[id(table)] = len(self.objects)
        self.objects.append(table)
        plain = not any(map(_is_the_package, kind.__mro__))
        for key, value in table.items():
            if key in SKIPPED or (plain and key not in self.names):
                continue
            self._said.append(key)
            self.say(value)


_BUILT_IN = sum(1 << bit for bit in range(24, 32))  # subclasses of int, list, tuple, dict and so on
_IGNORED = frozenset(
    "__module__ __qualname__ __doc__ __dict__ __weakref__ __annotations__ __firstlineno__"
    " __static_attributes__ __classcell__ __annotate__ __annotate_func__ __new__ __init__".split()
)


_FORMATS = "<format>"  # among names: that something is written out as text
_TOLD = frozenset("__repr__ __str__ __format__ __reduce__ __reduce_ex__ __getstate__ __setstate__"
                  " __sizeof__ __del__ __dir__ __replace__ __match_args__".split())  # fmt: skip


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def _is_plain_builtin(name: str) -> bool:
    found = getattr(builtins, name, None)
    if isinstance(found, type):
        return found.__module__ == "builtins" and (
            name in _BUILTINS or issubclass(found, BaseException)
        )
    return name in _BUILTINS and isinstance(found, types.BuiltinFunctionType)


@functools.lru_cache(4096)
def _facts(code: types.CodeType) -> tuple[str, frozenset[str]]:
    """What tells a code object from others, and the names in it and in those inside it."""
    names, opcodes = set(code.co_names), set(code.co_code[::2])
    if not _FORBIDDEN.isdisjoint(opcodes):
        raise Unclear(f"what {code.co_name} does")
    if not _WRITES_OUT.isdisjoint(opcodes) or not names.isdisjoint(("str", "format", "format_map")):
        names.add(_FORMATS)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            names |= _facts(part)[1]
    return of_code(code), frozenset(names)


def _is_ours(file: str) -> bool:
    return file.startswith(_OURS) and not file.startswith(_NOT_OURS)


def _public(x: types.FunctionType) -> bool:
    """Whether a function of the package is what its module has under its name."""
    module = sys.modules.get(x.__module__)
    return module is not None and vars(module).get(x.__name__) is x


def _of_library(kind: type) -> bool:
    """Whether a class of the package makes layers, optimisers, tensors or words."""
    if kind in _WORDS or kind in EAGER_TYPES:
        return True
    module = sys.modules.get(_home(kind))
    return module is not None and _is_ours(getattr(module, "__file__", None) or "")


def _is_own(kind: type) -> bool:
    """Whether a class is the user's."""
    module = sys.modules.get(kind.__module__)
    return module is not None and own_module(module)


def _is_user_or_layer(kind: type) -> bool:
    return all(_is_own(base) or (_is_the_package(base) and _of_library(base))
               for base in kind.__mro__[:-1])  # fmt: skip


def _is_the_package(kind: type) -> bool:
    return _home(kind).split(".")[0] == _PACKAGE


def _is_mode(x: Any) -> bool:
    """Whether something switches gradients on or off."""
    return _home(type(x)).startswith(f"{_PACKAGE}.autograd.modes")


def _word(world: World, x: Any) -> None:
    world._said += ("word", str(x))


def _sequence(kind: str) -> Callable[[World, Any], None]:
    return lambda world, x: world._all(kind, x)


_WORDS: dict[type, Any] = {type(x): _word for x in (dtypes.float32, dtypes.CPU, dtypes.strided,
                           dtypes.contiguous_format, np.dtype(np.float32))}  # fmt: skip
_RULES: dict[type, Callable[[World, Any], None]] = {
    list: _sequence("list"), tuple: _sequence("tuple"), Size: _sequence("size"),
    dict: World._dict, OrderedDict: World._dict, defaultdict: World._dict,
    set: World._set, frozenset: World._set, types.FunctionType: World._function,
    types.MethodType: World._method, functools.partial: World._partial,
    types.BuiltinFunctionType: World._builtin, types.ModuleType: World._module,
    slice: lambda world, x: world._all("slice", (x.start, x.stop, x.step)),
    range: lambda world, x: world._all("range", (x.start, x.stop, x.step)),
    **_WORDS,
}  # fmt: skip

"""A pickle reader that only ever makes data.

The opcodes build plain containers; a global becomes a `Tag` (two strings) and a call becomes a
`Call` that says what the file asks for. Nothing is imported, looked up or called here: which tags
are known, and what a `Call` means, is decided by `rebuild.py` after the whole file was read.
Budgets bound the work, so that a small file cannot ask for a large one.

Source: https://github.com/python/cpython/blob/main/Lib/pickletools.py (the opcodes' meaning)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from .errors import CheckpointError, short
from .safe import loaded_class

MAX_OPCODES = 10_000_000
MAX_KEY_PARTS = 1000
MAX_LINE = 1000


class Tag:
    """A global named by the file: two strings, no object behind them."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Call:
    """What the file asks to be made: `tag(*arguments)`, then given `states`."""

    __slots__ = ("arguments", "new", "states", "tag")

    def __init__(self, tag: Tag, arguments: tuple, new: bool = False) -> None:
        self.tag, self.arguments, self.new = tag, arguments, new
        self.states: list[Any] = []


class Persistent:
    """A reference to something outside the pickle: a tensor's storage."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key


class _Mark:
    __slots__ = ()


MARK = _Mark()


def refused_global(name: str, how: str = "") -> CheckpointError:
    """The refusal of a global that is not data, with the way out."""
    error = CheckpointError(
        f"Weights only load failed: the file asks for the global {short(name)}{how}, which is not"
        " data; refused, and nothing was imported or run"
    )
    error.add_note("save plain data instead: torch.save(model.state_dict(), path), then")
    error.add_note("model.load_state_dict(torch.load(path)) on a model built by your own code")
    if isinstance(loaded_class(name), type):
        error.add_note("or, where you know the file's author and that class:")
        error.add_note(f"torch.serialization.add_safe_globals([{short(name)}])")
    return error


class Reader:
    """One pickle, read from `data` at `position`; `load` returns its value, all `Call`s unmade.

    Arguments: `data`, the bytes; `position`, where the pickle starts; `known(module, name)`, which
    tags may appear at all: any other is refused where it stands.
    """

    def __init__(self, data: bytes, known: Callable[[str, str], bool], position: int = 0) -> None:
        self.data, self.position, self.known = data, position, known
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.tags: dict[tuple[str, str], Tag] = {}
        self.references: list[Persistent] = []

    def load(self) -> Any:
        """Run the opcodes to STOP; every way to fail is a CheckpointError."""
        try:
            return self._run()
        except CheckpointError:
            raise
        except RecursionError as error:
            raise CheckpointError("the pickle is nested too deeply; refused") from error
        except (ValueError, TypeError, LookupError, struct.error, OverflowError) as error:
            raise CheckpointError(
                f"the pickle is damaged at byte {self.position}: {short(str(error))}"
            ) from error

    def _run(self) -> Any:
        table, data = OPCODES, self.data
        for _ in range(MAX_OPCODES):
            if self.position >= len(data):
                raise CheckpointError(f"the pickle ends at byte {len(data)} without its stop sign")
            opcode = data[self.position]
            self.position += 1
            if opcode == 0x2E:  # STOP
                return self._last()
            act = table[opcode]
            if act is None:
                raise CheckpointError(
                    f"pickle opcode {opcode:#04x} at byte {self.position - 1} is not data; refused"
                )
            act(self)
        raise CheckpointError(f"the pickle has more than {MAX_OPCODES} opcodes; refused")

    def _last(self) -> Any:
        if len(self.stack) != 1 or self.stack[0] is MARK:
            raise CheckpointError(f"the pickle ends with {len(self.stack)} values, not one")
        return self.stack[0]

    # -- bytes

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise CheckpointError(
                f"the pickle claims {count} bytes at {self.position}, but has {len(self.data)}"
            )
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def line(self) -> str:
        """The text up to the next newline."""
        end = self.data.find(b"\n", self.position, self.position + MAX_LINE)
        if end < 0:
            raise CheckpointError(f"the pickle has an unended line at byte {self.position}")
        text = self.data[self.position : end].decode("utf-8")
        self.position = end + 1
        return text

    def unsigned(self, size: int) -> int:
        """A little-endian length or index."""
        return int.from_bytes(self.take(size), "little")

    # -- the stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        """The top value; a mark is none."""
        value = self.stack.pop()
        if value is MARK:
            raise CheckpointError("the pickle takes a value where a mark stands")
        return value

    def pop_to_mark(self) -> list[Any]:
        """The values above the last mark, which goes too."""
        stack = self.stack
        for at in range(len(stack) - 1, -1, -1):
            if stack[at] is MARK:
                found = stack[at + 1 :]
                del stack[at:]
                return found
        raise CheckpointError("the pickle closes a group that it never opened")

    def top(self, kind: type, what: str) -> Any:
        """The top value, which must be a `kind`."""
        value = self.stack[-1]
        if type(value) is not kind:
            raise CheckpointError(f"the pickle {what} a {type(value).__name__}")
        return value

    def tag(self, module: Any, name: Any) -> None:
        """Push a global's tag if it is known."""
        if type(module) is not str or type(name) is not str:
            raise CheckpointError("the pickle names a global by something else than text")
        if not self.known(module, name):
            raise refused_global(f"{module}.{name}")
        self.push(self.tags.setdefault((module, name), Tag(module, name)))


def checked_key(key: Any, budget: int = MAX_KEY_PARTS) -> int:
    """The budget left after a dictionary key; refuses what is costly or impossible to hash."""
    if type(key) is tuple:
        # Tuples that share parts can be exponentially long when walked: hence the count.
        for part in key:
            budget = checked_key(part, budget - 1)
    elif type(key) in (list, dict, set, bytearray) or key is MARK:
        raise CheckpointError(f"the pickle uses a {type(key).__name__} as a key")
    if budget <= 0:
        raise CheckpointError("the pickle uses an overlong tuple as a key; refused")
    return budget


# -- opcodes: one function for each, taking the reader

OPCODES: list[Callable[[Reader], None] | None] = [None] * 256


def opcode(*codes: str) -> Callable:
    """Register the function for these opcode characters."""

    def register(act: Callable) -> Callable:
        for code in codes:
            OPCODES[ord(code)] = act
        return act

    return register


def constant(code: str, value: Any) -> None:
    OPCODES[ord(code)] = lambda reader: reader.push(value)


def scalar(code: str, size: int, decode: Callable[[bytes], Any]) -> None:
    """An opcode followed by `size` bytes that are the value."""
    OPCODES[ord(code)] = lambda reader: reader.push(decode(reader.take(size)))


def sized(code: str, prefix: int, decode: Callable[[bytes], Any]) -> None:
    """An opcode followed by a length of `prefix` bytes and that many bytes."""
    OPCODES[ord(code)] = lambda reader: reader.push(decode(reader.take(reader.unsigned(prefix))))


def _integer(data: bytes) -> int:
    if len(data) > 255:
        raise CheckpointError(f"the pickle has an integer of {len(data)} bytes; refused")
    return int.from_bytes(data, "little", signed=True)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _old_text(data: bytes) -> str:
    return data.decode("latin-1")


constant("N", None)
constant("\x88", True)
constant("\x89", False)
constant(")", ())
scalar("J", 4, _integer)
scalar("K", 1, lambda data: data[0])
scalar("M", 2, lambda data: int.from_bytes(data, "little"))
scalar("G", 8, lambda data: struct.unpack(">d", data)[0])
sized("\x8a", 1, _integer)
sized("\x8b", 4, _integer)
sized("X", 4, _text)
sized("\x8c", 1, _text)
sized("\x8d", 8, _text)
sized("U", 1, _old_text)
sized("T", 4, _old_text)
sized("C", 1, bytes)
sized("B", 4, bytes)
sized("\x8e", 8, bytes)
sized("\x96", 8, bytearray)
OPCODES[ord("]")] = lambda reader: reader.push([])
OPCODES[ord("}")] = lambda reader: reader.push({})
OPCODES[ord("\x8f")] = lambda reader: reader.push(set())
OPCODES[ord("(")] = lambda reader: reader.push(MARK)
OPCODES[ord("t")] = lambda reader: reader.push(tuple(reader.pop_to_mark()))
OPCODES[ord("l")] = lambda reader: reader.push(reader.pop_to_mark())


@opcode("\x80")
def _protocol(reader: Reader) -> None:
    number = reader.take(1)[0]
    if number > 5:
        raise CheckpointError(f"pickle protocol {number} is unknown")


@opcode("\x95")
def _frame(reader: Reader) -> None:
    size = reader.unsigned(8)
    if reader.position + size > len(reader.data):
        raise CheckpointError(f"the pickle claims a frame of {size} bytes past its end")


@opcode("I")
def _line_integer(reader: Reader) -> None:
    text = reader.line()
    reader.push({"00": False, "01": True}[text] if text in ("00", "01") else int(text))


@opcode("L")
def _line_long(reader: Reader) -> None:
    reader.push(int(reader.line().removesuffix("L")))


@opcode("F")
def _line_float(reader: Reader) -> None:
    reader.push(float(reader.line()))


@opcode("0")
def _drop(reader: Reader) -> None:
    reader.stack.pop()


@opcode("1")
def _drop_group(reader: Reader) -> None:
    reader.pop_to_mark()


@opcode("2")
def _again(reader: Reader) -> None:
    value = reader.pop()
    reader.stack += [value, value]


def _tuple_of(count: int) -> Callable[[Reader], None]:
    def act(reader: Reader) -> None:
        values = [reader.pop() for _ in range(count)]
        reader.push(tuple(reversed(values)))

    return act


OPCODES[0x85], OPCODES[0x86], OPCODES[0x87] = _tuple_of(1), _tuple_of(2), _tuple_of(3)


def _receiver(reader: Reader, kinds: tuple[type, ...], what: str) -> Any:
    value = reader.stack[-1]
    if type(value) not in kinds:
        raise CheckpointError(f"the pickle {what} a {type(value).__name__}")
    return value


@opcode("a")
def _append(reader: Reader) -> None:
    value = reader.pop()
    _extend(reader, [value])


@opcode("e")
def _appends(reader: Reader) -> None:
    _extend(reader, reader.pop_to_mark())


def _extend(reader: Reader, values: list[Any]) -> None:
    _receiver(reader, (list,), "appends to").extend(values)


@opcode("s")
def _set_item(reader: Reader) -> None:
    value, key = reader.pop(), reader.pop()
    _update(reader, [key, value])


@opcode("u")
def _set_items(reader: Reader) -> None:
    _update(reader, reader.pop_to_mark())


@opcode("d")
def _dictionary(reader: Reader) -> None:
    pairs = reader.pop_to_mark()
    reader.push({})
    _update(reader, pairs)


class Items:
    """Key-value pairs that the file puts into something it asked for (an OrderedDict)."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[Any]) -> None:
        self.pairs = pairs


def _update(reader: Reader, pairs: list[Any]) -> None:
    if len(pairs) % 2:
        raise CheckpointError("the pickle has a key without a value")
    for key in pairs[::2]:
        checked_key(key)
    target = _receiver(reader, (dict, Call), "puts items into")
    if type(target) is Call:
        target.states.append(Items(pairs))
    else:
        target.update(zip(pairs[::2], pairs[1::2]))


@opcode("\x90")
def _add_items(reader: Reader) -> None:
    values = reader.pop_to_mark()
    for value in values:
        checked_key(value)
    _receiver(reader, (set,), "adds items to").update(values)


@opcode("\x91")
def _frozen_set(reader: Reader) -> None:
    values = reader.pop_to_mark()
    for value in values:
        checked_key(value)
    reader.push(frozenset(values))


def _keep(reader: Reader, index: int) -> None:
    if index < 0 or not reader.stack or reader.stack[-1] is MARK:
        raise CheckpointError("the pickle keeps a value that is not there")
    reader.memo[index] = reader.stack[-1]


def _fetch(reader: Reader, index: int) -> None:
    if index not in reader.memo:
        raise CheckpointError(f"the pickle asks for value {index}, which it never kept")
    reader.push(reader.memo[index])


OPCODES[ord("q")] = lambda reader: _keep(reader, reader.take(1)[0])
OPCODES[ord("r")] = lambda reader: _keep(reader, reader.unsigned(4))
OPCODES[ord("p")] = lambda reader: _keep(reader, int(reader.line()))
OPCODES[0x94] = lambda reader: _keep(reader, len(reader.memo))
OPCODES[ord("h")] = lambda reader: _fetch(reader, reader.take(1)[0])
OPCODES[ord("j")] = lambda reader: _fetch(reader, reader.unsigned(4))
OPCODES[ord("g")] = lambda reader: _fetch(reader, int(reader.line()))


@opcode("c")
def _global(reader: Reader) -> None:
    module = reader.line()
    reader.tag(module, reader.line())


@opcode("\x93")
def _stack_global(reader: Reader) -> None:
    name, module = reader.pop(), reader.pop()
    reader.tag(module, name)


def _call(reader: Reader, new: bool) -> None:
    arguments = reader.pop()
    tag = reader.pop()
    if type(tag) is not Tag or type(arguments) is not tuple:
        raise CheckpointError(f"the pickle calls a {type(tag).__name__}; only known tags can be")
    reader.push(Call(tag, arguments, new))


OPCODES[ord("R")] = lambda reader: _call(reader, new=False)
OPCODES[0x81] = lambda reader: _call(reader, new=True)


@opcode("b")
def _build(reader: Reader) -> None:
    state = reader.pop()
    _receiver(reader, (Call,), "sets the state of").states.append(state)


@opcode("Q")
def _persistent(reader: Reader) -> None:
    reader.references.append(Persistent(reader.pop()))
    reader.push(reader.references[-1])


@opcode("i")
def _instance(reader: Reader) -> None:
    module = reader.line()
    raise refused_global(f"{module}.{reader.line()}", " (opcode INST)")


@opcode("o")
def _object(reader: Reader) -> None:
    found = reader.pop_to_mark()
    name = str(found[0]) if found and type(found[0]) is Tag else "?"
    raise refused_global(name, " (opcode OBJ)")


@opcode("\x92")
def _new_with_keywords(reader: Reader) -> None:
    found = reader.stack[-3] if len(reader.stack) > 2 else None
    raise refused_global(str(found) if type(found) is Tag else "?", " (opcode NEWOBJ_EX)")


def _extension(size: int) -> Callable[[Reader], None]:
    def act(reader: Reader) -> None:
        raise refused_global(f"extension code {reader.unsigned(size)}", " (opcode EXT)")

    return act


OPCODES[0x82], OPCODES[0x83], OPCODES[0x84] = _extension(1), _extension(2), _extension(4)

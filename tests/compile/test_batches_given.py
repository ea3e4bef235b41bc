"""Batches that are objects made anew for every call: one program, the short way, nothing kept."""

from __future__ import annotations

import collections
import dataclasses
import gc
import random
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight.utils import _pytree as pytree

sys.path.insert(0, str(Path(__file__).parent))

from test_containers_given import batches, trained

needs_llvm = pytest.mark.skipif(
    rl.compile(lambda x: x).backend != "llvm", reason="the short way is native code's"
)


@dataclasses.dataclass
class Pair:
    x: Any
    y: Any = None


@dataclasses.dataclass(slots=True)
class Slim:
    x: Any
    y: Any


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: Any
    y: Any


class Table(dict[Any, Any]):
    pass


class Ordered(collections.OrderedDict[Any, Any]):
    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else list(self.values())[key]


class Row(list[Any]):
    pass


class Encoding(collections.UserDict[Any, Any]):
    def __init__(self, data: Any, count: int | None = None) -> None:
        super().__init__(data)
        self._count = count

    def __getattr__(self, name: str) -> Any:
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(name) from None


class View(Mapping[Any, Any]):
    def __init__(self, **content: Any) -> None:
        self._content = content

    def __getitem__(self, key: Any) -> Any:
        return self._content[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)


class Slots:
    __slots__ = ("never", "x", "y")

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


class Store:
    def __init__(self, parent: Any, content: dict[str, Any]) -> None:
        self._parent, self._content = weakref.ref(parent), content


class Data:
    """Attributes that stand in a store, which knows whose it is."""

    def __init__(self, **content: Any) -> None:
        self.__dict__["_store"] = Store(self, content)

    def __getattr__(self, name: str) -> Any:
        return self._store._content[name]

    def owner(self) -> Any:
        return self._store._parent()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._store._content.items())

    def __call__(self, *names: str) -> Iterator[Any]:
        return ((name, part) for name, part in self if name in names)


def named(b: Any) -> tuple[Any, Any]:
    return b.x, b.y


def keyed(b: Any) -> tuple[Any, Any]:
    return b["x"], b["y"]


KINDS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any], tuple[Any, Any]]]] = {
    "dataclass": (Pair, named),
    "dataclass with slots": (Slim, named),
    "frozen dataclass": (Frozen, named),
    "namespace": (lambda x, y: types.SimpleNamespace(x=x, y=y), named),
    "slots": (Slots, named),
    "dict's subclass": (lambda x, y: Table(x=x, y=y), keyed),
    "ordered dict's subclass": (lambda x, y: Ordered(x=x, y=y), keyed),
    "default dict": (lambda x, y: collections.defaultdict(list, x=x, y=y), keyed),
    "list's subclass": (lambda x, y: Row([x, y]), lambda b: (b[0], b[1])),
    "user dict": (lambda x, y: collections.UserDict(x=x, y=y), keyed),
    "encoding": (lambda x, y: Encoding({"x": x, "y": y}), named),
    "mapping": (lambda x, y: View(x=x, y=y), keyed),
    "data": (lambda x, y: Data(x=x, y=y), lambda b: named(b.owner())),
    "nested": (lambda x, y: Pair({"q": [Slots(x, None)]}, Encoding({"z": (Pair(1.5, "a"), y)})),
               lambda b: (b.x["q"][0].x, b.y["z"][1])),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_batches_in_new_objects_share_a_program(kind: str) -> None:
    assert trained(*KINDS[kind], True) == pytest.approx(trained(*KINDS[kind], False), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_go_when_nobody_else_holds_them(kind: str) -> None:
    put, take = KINDS[kind]

    def f(batch: Any) -> Any:
        x, y = take(batch)
        return x.sum() + y.sum()

    call = rl.compile(f)
    kept = []
    for x, y in batches(3):
        call(put(x, y))
        kept += [weakref.ref(x), weakref.ref(y)]
    del x, y
    gc.collect()
    assert [one() for one in kept] == [None] * 6


@needs_llvm
@pytest.mark.parametrize("kind", KINDS)
def test_objects_go_the_short_way(kind: str) -> None:
    put, take = KINDS[kind]

    def f(batch: Any, *, weight: Any) -> Any:
        x, y = take(batch)
        return (x * weight - y).sum()

    call = rl.compile(f)
    for x, y in batches(3):
        found = call(put(x, y), weight=rl.ones(4))
        assert found.item() == pytest.approx((x - y).sum().item(), 1e-4)
    (program,) = call.programs
    x, y = batches(1)[0]
    assert program.fast(None, put(x, y), weight=rl.ones(4)).shape == ()


def test_plain_values_beside_tensors_are_compared_by_value() -> None:
    call = rl.compile(lambda b: b.x.to(b.y[0]).sum() * b.y[1].numel())
    for x, _ in batches(4):
        found = call(Pair(x, [rl.device("cpu"), rl.Size([2, 3]), rl.float32, slice(1), "name"]))
        assert found.item() == pytest.approx(x.sum().item() * 6, rel=1e-4, abs=1e-4)
    assert len(call.programs) == 1


# --- random trees of containers


class Trees:
    """Random containers within containers, and small changes to their contents."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.draw = rl.Generator().manual_seed(seed)

    def tensor(self, size: int = 3) -> Any:
        return rl.randn(size, generator=self.draw)

    def tree(self, depth: int = 3) -> Any:
        """A way to make one: a pair of a kind and its parts, or a leaf."""
        if depth == 0 or (depth < 3 and self.random.random() < 0.4):
            return self.random.choice(["tensor", "tensor", "tensor", 2, 0.5, "text", None])
        kind = self.random.choice([*BUILT])
        return kind, [self.tree(depth - 1) for _ in range(self.random.randint(1, 3))]

    def made(self, tree: Any, tensors: Callable[[], Any]) -> Any:
        if type(tree) is not tuple:
            return tensors() if tree == "tensor" else tree
        return BUILT[tree[0]]([self.made(part, tensors) for part in tree[1]])

    def changed(self, tree: Any) -> Any:
        """The same but in one place: of another kind, shorter, longer, with another leaf."""
        if type(tree) is not tuple:
            return self.random.choice(["tensor", 3, None, "other"])
        kind, parts = tree[0], list(tree[1])
        what = self.random.random()
        if what < 0.2:
            kind = self.random.choice([*BUILT])
        elif what < 0.35:
            parts.append("tensor")
        elif what < 0.5:
            parts.pop()
        elif parts:
            place = self.random.randrange(len(parts))
            parts[place] = self.changed(parts[place])
        return kind, parts


def _attributes(parts: list[Any]) -> Any:
    made = Bag()
    for k, part in enumerate(parts):
        setattr(made, f"a{k}", part)
    return made


class Bag:
    pass


def _items(parts: list[Any]) -> dict[str, Any]:
    return {f"k{k}": part for k, part in enumerate(parts)}


BUILT: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "dict": _items,
    "row": Row,
    "table": lambda parts: Table(_items(parts)),
    "encoding": lambda parts: Encoding(_items(parts), len(parts)),
    "bag": _attributes,
    "namespace": lambda parts: types.SimpleNamespace(**_items(parts)),
    "data": lambda parts: Data(**_items(parts)),
}


def total(value: Any) -> Any:
    """A number that tells apart what stands where, and in which kind of container."""
    if isinstance(value, rl.Tensor):
        return value.sum() * 3
    if isinstance(value, (int, float)):
        return value + 0.25
    if value is None or isinstance(value, str):
        return len(value or "") * 0.125
    if isinstance(value, Data):
        value = value._store._content
    elif isinstance(value, (Bag, types.SimpleNamespace)):
        value = vars(value)
    parts = value.values() if isinstance(value, Mapping) else value
    result = len(type(value).__name__) * 0.01
    for k, part in enumerate(parts):
        result = result + total(part) * (k + 1.5)
    return result


@pytest.mark.filterwarnings("ignore:compiled total")
@pytest.mark.parametrize("seed", range(24))
def test_random_trees_of_containers_are_as_in_eager_mode(seed: int) -> None:
    trees = Trees(seed)
    tree, call = trees.tree(), rl.compile(total)
    one, two = trees.tensor(), trees.tensor()
    fresh, other = trees.tensor, lambda: trees.tensor(2)
    ways: list[Callable[[], Any]] = [
        fresh, fresh, lambda: one, fresh, lambda: trees.random.choice([one, two]), other, fresh,
    ]  # fmt: skip
    kept = trees.made(tree, fresh)
    for way in ways:
        for batch in (trees.made(tree, way), kept):
            assert float(call(batch)) == pytest.approx(float(total(batch)), rel=1e-4, abs=1e-4)
    assert len(call.programs) <= 6 and call._eager is None
    for _ in range(6):
        batch = trees.made(trees.changed(tree), fresh)
        assert float(call(batch)) == pytest.approx(float(total(batch)), rel=1e-4, abs=1e-4)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "another tensor": lambda b: setattr(b, "x", b.x + 1),
    "another shape": lambda b: setattr(b, "x", rl.ones(5)),
    "an attribute more": lambda b: setattr(b, "z", rl.ones(3)),
    "an attribute less": lambda b: delattr(b, "y"),
    "a number": lambda b: setattr(b, "y", 7.5),
    "a container": lambda b: setattr(b, "y", [rl.ones(3)]),
    "a gradient": lambda b: b.x.requires_grad_(),
    "another class": lambda b: setattr(b, "__class__", Bag),
    "a layer": lambda b: setattr(b, "y", rl.nn.Linear(3, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_object_may_be_changed_between_calls(change: str) -> None:
    def f(batch: Any) -> Any:
        result = len(type(batch).__name__)
        for k, part in enumerate(vars(batch).values()):
            for one in part if isinstance(part, list) else [part]:
                if isinstance(one, rl.nn.Module):
                    one = one.weight
                result = result + (one.sum() if isinstance(one, rl.Tensor) else one) * (k + 1)
        return result

    call, batch = rl.compile(f), Pair(rl.arange(3.0), rl.ones(3))
    for k in range(3):
        assert call(batch).item() == pytest.approx(f(batch).item())
        batch.x = rl.full((3,), float(k))
    CHANGES[change](batch)
    for _ in range(3):
        assert call(batch).item() == pytest.approx(f(batch).item())


# --- state


class State:
    def __init__(self) -> None:
        self.w, self.mean, self.count = rl.ones(3), rl.zeros(3), 0


def replaced(s: Any, x: Any) -> Any:
    s.w = s.w * 0.5 + x
    s.count += 1
    return (s.w * s.count).sum()


def written(s: Any, x: Any) -> Any:
    s.mean.mul_(0.5).add_(x)
    return (s.w * s.mean).sum()


def added(s: Any, x: Any) -> Any:
    s.last = x * 2
    return (s.w * x).sum()


def looked_at(s: Any, x: Any) -> Any:
    return (s.w * x).sum() * s.count


@pytest.mark.parametrize("f", [replaced, written, added, looked_at])
def test_an_object_that_stays_and_changes_is_state(f: Callable[..., Any]) -> None:
    call, ours, theirs = rl.compile(f), State(), State()
    for k in range(14):
        x = rl.full((3,), float(k))
        assert call(ours, x).item() == pytest.approx(f(theirs, x).item())
        assert repr(vars(ours)) == repr(vars(theirs))
        if k > 7:
            ours.count += 1
            theirs.count += 1
    assert call._eager is None and len(call.programs) <= 3


def grown(b: Any) -> None:
    b.z = b.x * 2


def swapped(b: Any) -> None:
    b.x, b.y = b.y, b.x


def scaled(b: Any) -> None:
    b.x.mul_(2)


def emptied(b: Any) -> None:
    del b.y


@pytest.mark.filterwarnings("ignore:compiled f runs eagerly")
@pytest.mark.parametrize("change", [grown, swapped, scaled, emptied])
@pytest.mark.parametrize("make", [Pair, lambda x, y: types.SimpleNamespace(x=x, y=y)])
def test_what_a_call_changes_in_a_batch_is_there_after_every_call(
    change: Callable[[Any], None], make: Callable[..., Any]
) -> None:
    def f(batch: Any) -> Any:
        change(batch)
        return batch.x.sum()

    call = rl.compile(f)
    for k in range(6):
        ours, theirs = (make(rl.full((3,), float(k)), rl.ones(3)) for _ in range(2))
        assert call(ours).item() == f(theirs).item()
        assert repr(vars(ours)) == repr(vars(theirs))


def test_a_batch_that_another_argument_knows_is_not_taken_for_one_that_it_does_not() -> None:
    holder = types.SimpleNamespace(name="holder", call=len)
    for first in (Pair(rl.ones(3)), {"x": rl.ones(3)}):
        holder.last, holder.model = first, rl.nn.Linear(3, 3)

        def x_of(batch: Any) -> Any:
            return batch.x if isinstance(batch, Pair) else batch["x"]

        call = rl.compile(lambda holder, batch: x_of(batch) + x_of(holder.last))
        assert call(holder, first).tolist() == [2.0] * 3
        other = Pair(rl.full((3,), 5.0)) if isinstance(first, Pair) else {"x": rl.full((3,), 5.0)}
        assert call(holder, other).tolist() == [6.0] * 3


KNOWN = Pair(rl.ones(3))


@pytest.mark.filterwarnings("ignore:compiled <lambda>")
def test_an_object_may_be_told_from_one_that_is_known_by_name() -> None:
    call = rl.compile(lambda b: b.x * 3 if b is KNOWN else b.x + KNOWN.x)
    for _ in range(3):
        assert call(Pair(rl.ones(3))).tolist() == [2.0] * 3
        assert call(KNOWN).tolist() == [3.0] * 3
    call = rl.compile(lambda b: b.x + KNOWN.x)
    for k in range(3):
        assert call(Pair(rl.full((3,), float(k)))).tolist() == [k + 1.0] * 3
    assert len(call.programs) == 1


class Scaled:
    def __init__(self, by: Any) -> None:
        self.by = by

    def __call__(self, x: Any) -> Any:
        return x * self.by


def test_a_function_with_tensors_of_its_own_is_state() -> None:
    call = rl.compile(lambda scaled, x: scaled(x).sum())
    for k in range(4):
        one = Scaled(rl.full((3,), 2.0 + k // 2))
        assert call(one, rl.ones(3)).item() == 3 * (2.0 + k // 2)
        assert call(one, rl.ones(3)).item() == 3 * (2.0 + k // 2)
    assert len(call.programs) == 4


# --- results


class Output(collections.OrderedDict[str, Any]):
    """Like those of transformers: a dictionary whose items are attributes too."""

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__(x=x, y=y)
        self.x, self.y = x, y


pytree.register_pytree_node(
    Output,
    lambda one: (list(one.values()), list(one)),
    lambda parts, keys: Output(**dict(zip(keys, parts))),
)


@pytest.mark.parametrize("kind", ["dataclass", "registered", "named tuple"])
def test_results_that_are_objects_are_new_ones_by_the_short_way(kind: str) -> None:
    point = collections.namedtuple("point", "x y")
    make: Any = {"dataclass": Pair, "registered": Output, "named tuple": point}[kind]
    call = rl.compile(lambda batch: make(batch.x * 2, [batch.y + 1, "text", 3]))
    seen = []
    for k in range(4):
        found = call(Pair(rl.full((3,), float(k)), rl.ones(3)))
        assert type(found) is type(make(0, 0)) and found.x.tolist() == [2.0 * k] * 3
        assert found.y[0].tolist() == [2.0] * 3 and found.y[1:] == ["text", 3]
        assert kind != "registered" or found["x"] is found.x
        seen.append(found)
    assert len({id(one) for one in seen}) == 4 and len(call.programs) == 1
    assert call.backend != "llvm" or call.programs[0].fast is not None


GIVEN_BACK: dict[str, Callable[[Any], Any]] = {
    "itself": lambda b: b,
    "in a tuple": lambda b: (b.x * 2, b),
    "in another": lambda b: Pair(b.x * 2, b),
    "a copy": lambda b: Pair(b.x, b.y),
    "its part": lambda b: (b.y, b.x + 1),
}

IS_BACK: dict[str, Callable[[Any], Any]] = {
    "itself": lambda found: found,
    "in a tuple": lambda found: found[1],
    "in another": lambda found: found.y,
    "its part": lambda found: found[0],
}


@pytest.mark.filterwarnings("ignore:compiled <lambda>")
@pytest.mark.parametrize("back", GIVEN_BACK)
@pytest.mark.parametrize("kind", ["fresh", "the same"])
def test_an_object_given_back_is_the_one_given(back: str, kind: str) -> None:
    call, kept = rl.compile(GIVEN_BACK[back]), Pair(rl.ones(3), Pair(rl.ones(2), [rl.ones(1), 2]))
    for k in range(10):
        one = kept
        if kind == "fresh":
            one = Pair(rl.full((3,), float(k)), Pair(rl.ones(2), [rl.ones(1), 2]))
        found, wanted = call(one), GIVEN_BACK[back](one)
        if back == "a copy":
            assert found is not one and found.y is one.y
        else:
            assert IS_BACK[back](found) is (one.y if back == "its part" else one)
        assert repr(found) == repr(wanted)

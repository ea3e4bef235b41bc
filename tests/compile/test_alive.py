"""What is asked of the garbage collector while programs are made."""

from __future__ import annotations

import gc

import pytest

import rushlight as rl
from rushlight.compile.tracing.alive import Age, nothing_aside, others_hold, rarely


class Kept:
    """Something that the collector watches."""


class Holder:
    """Something that may hold one."""

    __slots__ = ("held",)


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    gc.set_threshold(600, 9, 8)
    yield
    gc.set_threshold(*before)


def test_collections_are_put_off_and_come_back(thresholds):
    with rarely():
        long = gc.get_threshold()
        with rarely(16):
            assert gc.get_threshold() == long == (600_000, 9_000, 8_000)
        assert gc.get_threshold() == long
    assert gc.get_threshold() == (600, 9, 8)
    with rarely(16):
        assert gc.get_threshold() == (9_600, 144, 128)
    with pytest.raises(KeyError), rarely():
        raise KeyError
    assert gc.get_threshold() == (600, 9, 8)


def test_a_threshold_stays_one(thresholds):
    gc.set_threshold(0)
    with rarely():
        assert gc.get_threshold()[0] == 0
    gc.set_threshold(1 << 30)
    with rarely():
        assert gc.get_threshold()[0] == (1 << 31) - 1


def test_what_was_made_counts_as_old(thresholds):
    gc.collect()
    with rarely():
        kept = [Kept() for _ in range(5000)]
    assert gc.get_count()[0] < 100
    assert any(x is kept[0] for x in gc.get_objects(2))


def test_what_the_user_set_aside_stays_there(thresholds):
    aside = [Kept() for _ in range(300)]
    gc.freeze()
    try:
        with rarely():
            kept = [Kept() for _ in range(300)]
        assert set(map(id, gc.get_objects())).isdisjoint(map(id, aside))
        assert not any(x is kept[0] for x in gc.get_objects(2))
    finally:
        gc.unfreeze()


def test_what_the_user_set_aside_stays_there_when_a_call_is_traced(thresholds):
    kept, other = [Kept() for _ in range(300)], rl.ones(3)
    gc.collect()
    gc.freeze()
    try:
        call = rl.compile(lambda x: x * other.detach())  # which stood before, and is not listed
        assert call(rl.ones(3)).tolist() == [1.0] * 3
        other.fill_(2.0)
        assert call(rl.ones(3)).tolist() == [2.0] * 3 and len(call.programs) == 1
        listed = set(map(id, gc.get_objects()))
        assert listed.isdisjoint(map(id, kept))
    finally:
        gc.unfreeze()


def test_threads_that_trace_leave_aside_what_was(thresholds):
    kept = [Kept() for _ in range(300)]
    gc.freeze()
    try:
        first = Age({Kept})
        new = Kept()
        second = Age({Kept})
        newer = Kept()
        assert [second.new(x) for x in (kept[0], new, newer)] == [False, False, True]
        first.end()
        second.end()
        assert not any(x is kept[0] for x in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(x is kept[0] for x in gc.get_objects())


def test_all_is_listed_meanwhile_and_set_aside_again(thresholds):
    kept = Kept()
    gc.freeze()
    try:
        for first in (None, Age({Kept})):  # nobody's, and another thread's
            with nothing_aside():
                assert any(x is kept for x in gc.get_objects())
            assert not any(x is kept for x in gc.get_objects())
            if first is not None:
                assert [first.new(x) for x in (kept, Kept())] == [False, True]
                first.end()
    finally:
        gc.unfreeze()


def test_numbers_take_their_places_where_the_user_set_objects_aside(thresholds):
    found, two = [], rl.tensor(2)
    call = rl.compile(lambda x: (found.append(int(two)), x * 2)[1], fullgraph=True)
    gc.freeze()
    try:
        for _ in range(3):
            call(rl.ones(3))
    finally:
        gc.unfreeze()
    assert found == [2, 2, 2] and [type(n) for n in found] == [int] * 3


def test_an_export_knows_tensors_that_the_user_set_aside(thresholds):
    class Scaled(rl.nn.Module):
        def forward(self, x):
            return x * scale

    scale = rl.full((3,), 2.0)
    gc.freeze()
    try:
        made = rl.export.export(Scaled(), (rl.ones(3),)).module()
    finally:
        gc.unfreeze()
    assert made(rl.ones(3)).tolist() == [2.0] * 3


def test_who_holds_objects_is_told_where_those_are_tuples_and_lists():
    found = [Kept(), Kept()]
    assert not others_hold([]) and not others_hold(found)
    tape = [(found[0], found[1], found[0]), [found[1]]]
    assert not others_hold(found)
    holder = Holder()
    holder.held = found[1]
    assert others_hold(found)
    holder.held = None
    assert not others_hold(found)
    named = found[0]
    assert others_hold(found) and named is tape[0][2]


def test_a_holder_that_was_set_aside_is_another():
    kept = Kept()
    held = (kept, 1)
    gc.freeze()
    try:
        found = [kept]
        del kept
        assert others_hold(found)
        del held
        assert not others_hold(found)
    finally:
        gc.unfreeze()


def test_many_looks_at_little_that_is_new_do_not_go_through_all(monkeypatch):
    whole, old = [], Age.old
    monkeypatch.setattr(Age, "old", lambda age: whole.append(age) or old(age))
    stood = [Kept() for _ in range(20_000)]
    age = Age({Kept})
    try:
        new = []
        for _ in range(40):
            new.append(Kept())
            assert age.new(new[-1])
        assert not age.new(stood[7]) and not whole
        more = [[] for _ in range(300_000)]  # as much is new as stood
        for _ in range(40):
            new.append(Kept())
            assert age.new(new[-1])
        assert whole == [age] and not age.new(stood[7]) and len(more) == 300_000
        assert all(map(age.new, new))
    finally:
        age.end()


def test_results_that_want_gradients_are_traced_without_a_look_at_everything(monkeypatch):
    from rushlight.compile.tracing import trace

    seen = []
    monkeypatch.setattr(trace, "alive", lambda classes: seen.append(1) or [])
    x = rl.ones(3, requires_grad=True)
    call = rl.compile(lambda x: (x * x).tanh() * x)
    y = call(x)
    y.sum().backward()
    grad = x.grad.clone()
    x.grad = None
    ((x * x).tanh() * x).sum().backward()
    assert not seen and len(call.programs) == 1 and rl.allclose(grad, x.grad)

"""DataLoaders with worker processes: order, seeds, memory, and every way they can go wrong."""

from __future__ import annotations

import functools
import gc
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import rushlight as rl
from rushlight.utils.data import DataLoader, TensorDataset, channel, get_worker_info, pool
from tests.data.tools import Counter, Draws, Images, Numbers, Sized, fail_start, keep, note_start

ROOT = Path(__file__).resolve().parents[2]
METHODS = [m for m in ("fork", "forkserver") if m in multiprocessing.get_all_start_methods()]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes as on POSIX")


@pytest.fixture(autouse=True)
def limited():
    """No test may hang, none may leave a process behind."""

    def stop(*_):
        raise TimeoutError("this test took too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    gc.collect()
    assert multiprocessing.active_children() == []


def read(loader):
    return [batch.tolist() for batch in loader]


def flat(lists):
    return list(itertools.chain.from_iterable(lists))


@pytest.mark.parametrize("method", METHODS)
def test_order_is_kept(method):
    workers = 2 if method == "fork" else 1  # a fresh process imports everything first
    loader = DataLoader(
        Numbers(11), batch_size=2, num_workers=workers, multiprocessing_context=method
    )
    assert read(loader) == read(DataLoader(Numbers(11), batch_size=2))


def test_shuffled_order_does_not_depend_on_workers():
    orders = []
    for workers in (0, 2):
        rl.manual_seed(4)
        orders.append(read(DataLoader(Numbers(20), 3, shuffle=True, num_workers=workers)))
    assert orders[0] == orders[1]
    assert sorted(flat(orders[0])) == list(range(20))


def test_unordered_gives_every_batch_once():
    loader = DataLoader(Numbers(13), 2, num_workers=2, in_order=False)
    assert sorted(flat(read(loader))) == list(range(13))


def test_persistent_workers_live_on(tmp_path):
    loader = DataLoader(
        Numbers(8),
        2,
        num_workers=2,
        persistent_workers=True,
        worker_init_fn=functools.partial(note_start, str(tmp_path)),
    )
    first = read(loader)
    pids = {path.name: path.read_text() for path in tmp_path.iterdir()}
    for batch in loader:  # broken off: its late answers must not reach the next epoch
        assert batch.tolist() == [0, 1]
        break
    assert read(loader) == first
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == pids
    assert sorted(pids) == ["0", "1"]


def test_workers_are_seeded_apart_and_reproducibly():
    def run():
        rl.manual_seed(9)
        loader = DataLoader(Draws(), 1, num_workers=2, collate_fn=keep)
        return [batch[0] for _ in range(2) for batch in loader]

    first, again = run(), run()
    assert first == again
    assert [who for who, *_ in first] == [0, 1, 0, 1, 0, 1] * 2
    for column in list(zip(*first))[1:]:
        assert len(set(column)) == len(column)
    assert get_worker_info() is None


def test_large_batches_come_whole_and_writable():
    loader = DataLoader(Images(), 4, num_workers=2)
    batches = list(loader)
    del loader
    gc.collect()
    assert flat(batch["label"].tolist() for batch in batches) == list(range(12))
    for batch in batches:
        assert (batch["image"].mean((1, 2, 3)) == batch["label"]).all()
        assert (batch["raw"][:, 0, 0] == batch["label"]).all()
        batch["image"].add_(1)


def test_no_descriptor_is_left_open():
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(2):
        for batch in DataLoader(Images(), 4, num_workers=1):
            del batch
    gc.collect()
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before + 1


@pytest.mark.parametrize("shared", [True, False])
def test_channel_carries_objects_of_any_size(monkeypatch, shared):
    monkeypatch.setattr(channel, "CAN_SHARE", shared and channel.CAN_SHARE)
    here, there = multiprocessing.Pipe()
    messages = [None, (1, "a"), rl.arange(5), {"x": rl.rand(30, 200)}, b"x" * 50_000]
    with here, there:
        for message in messages:
            channel.send(here, message)
            found = channel.receive(there)
            if isinstance(message, rl.Tensor):
                assert found.tolist() == message.tolist()
            elif isinstance(message, dict):
                assert rl.equal(found["x"], message["x"])
                found["x"].zero_()
            else:
                assert found == message


def test_iterable_data_sets_are_shared_out():
    loader = DataLoader(Counter(11), 2, num_workers=2)
    assert sorted(flat(read(loader))) == list(range(11))
    assert list(DataLoader(Counter(5), None, num_workers=1)) == [0, 1, 2, 3, 4]
    assert sorted(DataLoader(Counter(5), None, num_workers=2)) == [0, 1, 2, 3, 4]


def test_wrong_length_of_an_iterable_is_told():
    loader = DataLoader(Sized(6), 2, num_workers=1)
    assert len(loader) == 1
    with pytest.warns(UserWarning, match="was reported to be 2"):
        list(loader)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("trouble", "kind", "text"),
    [
        ("value", ValueError, "bad sample"),
        ("key", KeyError, "missing"),
        ("odd", Exception, "1, 2"),
        ("stop", RuntimeError, "raised StopIteration"),
        ("none", (TypeError, RuntimeError), "NoneType"),
    ],
)
def test_exceptions_name_type_place_and_sample(workers, trouble, kind, text):
    loader = DataLoader(Numbers(12, trouble), 4, num_workers=workers)
    with pytest.raises(kind, match=text) as caught:
        list(loader)
    assert any("5" in note for note in caught.value.__notes__)
    if workers and trouble != "odd":
        lines = str(caught.value.args[0]).splitlines()
        assert lines[0].endswith("in DataLoader worker process 1.")
        assert lines[1] == "Original Traceback (most recent call last):"
        assert ("tools.py" in str(caught.value.args[0])) == (trouble != "none")
    del caught


def test_loading_goes_on_after_a_bad_sample():
    iterator = iter(DataLoader(Numbers(8, "value"), 2, num_workers=2))
    good = []
    for _ in range(4):
        try:
            good.append(next(iterator).tolist())
        except ValueError:
            good.append("bad")
    assert good == [[0, 1], [2, 3], "bad", [6, 7]]
    assert list(iterator) == []


def test_failing_start_is_told():
    loader = DataLoader(Numbers(4), num_workers=1, worker_init_fn=fail_start)
    with pytest.raises(OSError, match="no such disk"):
        list(loader)


def test_batch_that_cannot_be_sent_is_told():
    loader = DataLoader(Numbers(6, "unpicklable"), 6, num_workers=1, collate_fn=keep)
    with pytest.raises(Exception, match=r"[Cc]an't (pickle|get local)"):
        list(loader)


@pytest.mark.parametrize(("trouble", "ending"), [("kill", "SIGKILL"), ("exit", "status 3")])
def test_death_of_a_worker_is_noticed_at_once(trouble, ending):
    start = time.monotonic()
    loader = DataLoader(Numbers(12, trouble), 4, num_workers=2)
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited") as caught:
        list(loader)
    assert time.monotonic() - start < 20  # not when a worker that hangs would be told of
    notes = "\n".join(caught.value.__notes__)
    assert ending in notes
    assert "[4, 5, 6, 7]" in notes
    del caught


def test_time_out_names_worker_and_stack():
    how: dict = {"timeout": 0.3, "multiprocessing_context": METHODS[0]}  # one that starts at once
    loader = DataLoader(Numbers(8, "sleep"), 4, num_workers=2, **how)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.3 seconds") as caught:
        list(loader)
    notes = "\n".join(caught.value.__notes__)
    assert "[4, 5, 6, 7]" in notes
    if sys.platform == "linux":
        assert "in __getitem__" in notes
    del caught


def test_a_hang_is_warned_of(monkeypatch):
    monkeypatch.setattr(pool, "HANG_SECONDS", 0.2)
    how: dict = {"timeout": 0.5, "multiprocessing_context": METHODS[0]}  # one that starts at once
    iterator = iter(DataLoader(Numbers(8, "sleep"), 4, num_workers=1, **how))
    with (
        pytest.warns(RuntimeWarning, match="has waited") as seen,
        pytest.raises(RuntimeError, match="timed out"),
    ):
        list(iterator)
    assert "[4, 5, 6, 7]" in str(seen[0].message)


def test_an_unfinished_loop_leaves_nothing_behind():
    for _ in DataLoader(Numbers(50, "sleep", 9), 1, num_workers=2):
        break
    gc.collect()
    assert multiprocessing.active_children() == []


def test_too_many_workers_are_warned_of():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        DataLoader(Numbers(4), num_workers=5000)
    assert "will create 5000 worker processes" in str(seen[0].message)


def test_lambdas_for_spawned_workers_are_explained():
    loader = DataLoader(
        Numbers(4), num_workers=1, multiprocessing_context="forkserver", collate_fn=lambda b: b
    )
    with pytest.raises(Exception, match="lambda") as caught:
        iter(loader)
    assert any("module level" in note for note in caught.value.__notes__)
    del caught


def test_threads_of_tensor_batches_agree_with_single_process():
    data = TensorDataset(rl.arange(40), rl.rand(40, 3))
    rl.manual_seed(1)
    one = [[part.tolist() for part in batch] for batch in DataLoader(data, 7, shuffle=True)]
    rl.manual_seed(1)
    loader = DataLoader(data, 7, shuffle=True, num_workers=1)
    assert [[part.tolist() for part in batch] for batch in loader] == one


PROGRAM = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background jobs
sys.path.insert(0, {root!r})
from rushlight.utils.data import DataLoader
from tests.data.tools import Numbers, note_start
import functools
loader = DataLoader(Numbers(1000, "sleep", 3), 1, num_workers=2, collate_fn=list,
                    multiprocessing_context="{method}",
                    worker_init_fn=functools.partial(note_start, sys.argv[1]))
for batch in loader:
    print("batch", flush=True)
"""


def start_program(folder, method):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT), method=method), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    for _ in range(3):
        assert program.stdout.readline() == "batch\n"
    return program, [int(path.read_text()) for path in Path(folder).iterdir()]


def gone(pids, seconds=100.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(is_alive(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"


class Products(rl.utils.data.Dataset):
    """Samples that take a large product, in NumPy and as a program of several threads."""

    def __init__(self):
        self.run = rl.compile(lambda a: (a @ a).relu() + a.exp())

    def __len__(self):
        return 4

    def __getitem__(self, index):
        a = rl.full((256, 256), 0.01 * index) + 0 * rl.rand(256)
        return (self.run(a) + a @ a).sum()


@pytest.mark.skipif("fork" not in METHODS, reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_workers_may_be_forked_while_other_threads_compute():
    before, done = rl.get_num_threads(), threading.Event()
    data = Products()

    def compute():
        while not done.is_set():
            data[3]

    rl.set_num_threads(2)
    try:
        wanted = [data[index].item() for index in range(4)]
        busy = threading.Thread(target=compute)
        busy.start()
        for _ in range(4):
            loader = DataLoader(data, num_workers=2, multiprocessing_context="fork", timeout=10)
            assert flat(read(loader)) == wanted
    finally:
        done.set()
        busy.join()
        rl.set_num_threads(before)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["kill", "interrupt"])
def test_workers_end_with_the_main_process(tmp_path, kind, method):
    """In the middle of a sample too that would take for ever."""
    program, pids = start_program(tmp_path, method)
    try:
        assert len(pids) == 2
        if kind == "kill":
            program.kill()
        else:
            os.killpg(program.pid, signal.SIGINT)
        assert program.wait(60) != 0
        assert gone(pids)
    finally:
        program.kill()
        program.communicate()


def test_passes_that_would_give_nothing_are_refused():
    with pytest.raises(AssertionError, match="prefetch_factor must be greater than 0"):
        iter(DataLoader(Numbers(4), num_workers=1, prefetch_factor=0))
    with pytest.raises(AssertionError, match="requires timeout == 0"):
        iter(DataLoader(Numbers(4), timeout=3))

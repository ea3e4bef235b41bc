"""A profile of eager code: what was called, how often, where, and what it cost."""

from __future__ import annotations

import json
import threading
import time

import pytest

import rushlight as rl
from rushlight.core.tensor import EAGER_TYPES


def trained():
    rl.manual_seed(0)
    net = rl.nn.Sequential(rl.nn.Linear(4, 8), rl.nn.ReLU(), rl.nn.Linear(8, 2))
    x = rl.randn(5, 4)
    return net, x


def test_ops_modules_and_backward_are_counted() -> None:
    net, x = trained()
    with rl.profile() as found:
        net(x).square().mean().backward()
    calls = {name: count for name, (count, _) in found.totals().items()}
    assert calls["linear_bias"] == 2
    assert calls["relu"] == calls["square"] == calls["mean"] == 1
    assert calls["AddmmBackward0"] == 2 and calls["ReluBackward0"] == 1
    assert {"0", "1", "2"} <= set(found.totals("module"))
    assert any("5x4" in label for label in found.totals("shape"))


def test_time_inside_a_block_is_taken_off_and_adds_up() -> None:
    with rl.profile() as found, rl.profiler.record_function("outer"):
        time.sleep(0.02)
        rl.ones(3).exp()
    totals = found.totals()
    assert totals["outer"][1] > 15e6 > totals["exp"][1]
    outer = next(event for event in found.events if event.name == "outer")
    assert sum(spent for _, spent in totals.values()) == outer.length


def test_results_are_unchanged_and_the_short_path_returns() -> None:
    net, x = trained()
    wanted = net(x)
    with rl.profile():
        assert not EAGER_TYPES
        assert rl.equal(net(x), wanted)
    assert rl.Tensor in EAGER_TYPES
    with pytest.raises(ZeroDivisionError), rl.profile():
        raise ZeroDivisionError
    assert rl.Tensor in EAGER_TYPES


def test_other_threads_work_but_are_not_counted() -> None:
    with rl.profile() as found:
        worker = threading.Thread(target=lambda: rl.ones(3).sin())
        worker.start()
        worker.join()
        rl.ones(3).cos()
    assert set(found.totals()) == {"cos"}


def test_compiled_calls_are_counted_and_the_short_way_returns() -> None:
    net, x = trained()
    step = rl.compile(lambda x: net(x).square().mean())
    wanted = [step(x).item() for _ in range(3)][-1]
    short = type(step)
    with rl.profile() as found:
        got = [step(x).item() for _ in range(2)]
    assert got == [wanted, wanted]
    assert found.totals()["compiled <lambda>"][0] == 2
    assert "compiled <lambda>" in found.table() and "linear_bias" not in found.totals()
    again = step(x)
    assert again.item() == wanted and type(step).__name__ == short.__name__ == "Compiled"
    assert type(step).__call__.__qualname__ == short.__call__.__qualname__
    assert "_shorten" in short.__call__.__qualname__


def test_the_trace_file_is_what_viewers_read(tmp_path) -> None:
    net, x = trained()
    with rl.profile() as found:
        net(x)
    found.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == len(found.events)
    assert all(event["ph"] == "X" and event["dur"] > 0 and event["ts"] >= 0 for event in events)
    assert "linear_bias" in found.table() and "share" in str(found)


def test_averages_and_their_table_are_torchs() -> None:
    net, x = trained()
    ends = []
    with (
        rl.profiler.profile(
            activities=[rl.profiler.ProfilerActivity.CPU],
            record_shapes=True,
            on_trace_ready=ends.append,
        ) as found,
        rl.profiler.record_function("inference"),
    ):
        net(x)
        net(x[:2])
    assert ends == [found]
    rows = {event.key: event for event in found.key_averages()}
    assert rows["linear_bias"].count == 4 and rows["inference"].count == 1
    whole = rows["inference"]
    assert whole.cpu_time_total >= sum(event.self_cpu_time_total for event in rows.values()) * 0.999
    assert whole.self_cpu_time_total < whole.cpu_time_total == whole.cpu_time
    shaped = found.key_averages(group_by_input_shape=True)
    assert sum(event.key == "linear_bias" for event in shaped) == 4
    table = shaped.table(sort_by="cpu_time_total", row_limit=2, header="steps").splitlines()
    assert table[0] == "steps" and table[4].split()[0] == "inference" and len(table) == 8
    assert table[2].split()[-2:] == ["Input", "Shapes"] and table[-1].startswith("Self CPU time")


def test_what_is_not_measured_is_refused() -> None:
    for name in ("profile_memory", "with_stack", "with_flops", "schedule"):
        with pytest.raises(NotImplementedError, match=name):
            rl.profiler.profile(**{name: True})
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        rl.profiler.profile(colour=True)
    found = rl.profiler.profile(profile_memory=False)
    found.start()
    rl.ones(1).exp()
    found.stop()
    assert [event.name for event in found.events] == ["exp"]
    with pytest.raises(AttributeError, match="cuda_time_total"):
        found.key_averages().table(sort_by="cuda_time_total")

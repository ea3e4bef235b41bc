"""A profile of eager code: what was called, how often, where, and what it cost."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

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
    outer = next(event for event in found.events if event.name == "outer")
    assert totals["outer"][1] > 15e6 and totals["exp"][1] < outer.length - 15e6
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
    assert type(step).__call__.__code__.co_filename == "<compiled call>"
    assert short.__call__.__code__.co_filename == "<compiled call>"


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
    for name in ("profile_memory", "with_stack", "with_flops"):
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


def test_a_schedule_names_the_steps_that_are_looked_at(tmp_path: Path) -> None:
    plan = rl.profiler.schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    found: list[int] = []
    with rl.profiler.profile(
        schedule=plan, on_trace_ready=lambda p: found.append(len(p.events))
    ) as p:
        for _ in range(12):
            rl.ones(2).exp().exp()
            p.step()
    assert found == [4, 4]
    write = rl.profiler.tensorboard_trace_handler(str(tmp_path), "me", use_gzip=True)
    with rl.autograd.profiler.profile() as p:
        rl.ones(2).exp()
    write(p)
    assert [path.name.startswith("me.") for path in tmp_path.glob("*.json.gz")] == [True]


def test_the_work_of_products_is_counted() -> None:
    from rushlight.utils.flop_counter import FlopCounterMode

    net = rl.nn.Sequential(rl.nn.Linear(5, 6), rl.nn.ReLU(), rl.nn.Linear(6, 1))
    x = rl.ones(4, 5, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        net(x).sum().backward()
        rl.nn.functional.conv2d(rl.ones(2, 4, 8, 8), rl.ones(4, 2, 3, 3), groups=2)
    found = counter.get_flop_counts()
    counts = {home: {str(op): n for op, n in each.items()} for home, each in found.items()}
    assert counts["Sequential"] == {"aten.addmm": 288, "aten.mm": 576}
    assert counts["Sequential.0"] == {"aten.addmm": 240, "aten.mm": 480}
    assert counts["Global"]["aten.convolution"] == 2 * 2 * 36 * 72
    assert counter.get_total_flops() == 864 + 10368
    assert "Sequential.2" in counter.get_table(2)

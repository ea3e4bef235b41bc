"""`torch.cpu` for code that asks any device for streams and events."""

from __future__ import annotations

import threading

import pytest

import rushlight as torch


def test_the_current_stream_is_that_of_the_block_and_the_thread() -> None:
    first = torch.cpu.current_stream()
    mine, seen = torch.cpu.Stream(), []
    with torch.cpu.stream(mine):
        assert torch.cpu.current_stream() is mine
        thread = threading.Thread(target=lambda: seen.append(torch.cpu.current_stream()))
        thread.start()
        thread.join()
        with torch.cpu.stream(None):
            assert torch.cpu.current_stream() is mine
    assert torch.cpu.current_stream() is first and seen == [first]
    with pytest.raises(KeyError), torch.cpu.StreamContext(mine):
        raise KeyError
    assert torch.cpu.current_stream() is first


def test_code_for_any_device() -> None:
    module = torch.get_device_module("cpu")
    assert module.is_available() and module.is_initialized()
    event = module.Event()
    event.record(module.current_stream())
    module.current_stream().wait_event(event)
    event.synchronize()
    assert event.query()
    module.set_device(0)
    assert module.current_device() == "cpu"


def test_draws_by_the_generator_of_a_worker_are_the_default_ones() -> None:
    torch.manual_seed(3)
    wanted = torch.randint(100, (5,))
    torch.manual_seed(3)
    drawn = torch.randint(100, (5,), generator=torch.random.thread_safe_generator())
    assert torch.equal(drawn, wanted)

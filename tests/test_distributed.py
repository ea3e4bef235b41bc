"""One process: what programs ask before they spread over several, and what then is refused."""

from __future__ import annotations

import pytest

import rushlight as rl

NO_GROUP = "Default process group has not been initialized, please make sure to call "


def test_there_is_one_process() -> None:
    assert not rl.distributed.is_available() and not rl.distributed.is_initialized()


@pytest.mark.parametrize("name", ["get_rank", "get_world_size", "barrier", "all_reduce"])
def test_without_a_group_requests_say_so(name: str) -> None:
    with pytest.raises(ValueError, match=NO_GROUP):
        getattr(rl.distributed, name)()


def test_no_group_is_made() -> None:
    with pytest.raises(RuntimeError, match="doesn't have a backend"):
        rl.distributed.init_process_group("gloo")
    with pytest.raises(ValueError, match=NO_GROUP):
        rl.nn.parallel.DistributedDataParallel(rl.nn.Linear(2, 2))
    net = rl.nn.Linear(2, 2)
    assert not isinstance(net, rl.nn.parallel.DistributedDataParallel)


def test_what_is_spread_over_processes_does_not_exist() -> None:
    from rushlight.distributed.optim import ZeroRedundancyOptimizer
    from rushlight.distributed.tensor import DTensor

    weight = rl.nn.Parameter(rl.ones(2))
    assert not isinstance(weight, DTensor)
    assert not isinstance(rl.optim.SGD([weight], 0.1), ZeroRedundancyOptimizer)
    for make in (DTensor, ZeroRedundancyOptimizer):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            make([weight], rl.optim.SGD)

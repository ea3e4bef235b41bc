"""Several tensors in one call, how much is checked, and addresses of a user's own kind."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl

from .ranks import on_ranks

dist: Any = rl.distributed


def several(rank: int) -> list[Any]:
    """Turned, empty and single tensors: summed and gathered in one call each, and one by one."""
    make = lambda: [
        rl.arange(6.0).reshape(2, 3).T + rank, rl.zeros(0, 2), rl.tensor(2.0 + rank),
        rl.full((50_000,), rank + 1.0),
    ]  # fmt: skip
    together, single = make(), make()
    dist.all_reduce_coalesced(together)
    for x in single:
        dist.all_reduce(x)
    assert all(rl.equal(x, y) for x, y in zip(together, single))
    largest = [x * (1 - 2 * rank) for x in make()]
    work = dist.all_reduce_coalesced(largest, dist.ReduceOp.MAX, async_op=True)
    assert work.wait() and [x.shape for x in work.result()] == [x.shape for x in largest]
    rows = [[rl.zeros_like(x) for x in make()] for _ in range(2)]
    dist.all_gather_coalesced(rows, make())
    assert all(rl.equal(x, y) for x, y in zip(rows[rank], make()))
    with pytest.raises(dist.DistMismatch, match=r"all_reduce_coalesced\(SUM, float32 \(2,\), "):
        dist.all_reduce_coalesced([rl.zeros(2), rl.zeros(2 + rank)])
    return [x.sum().item() for x in (*together, *largest, *rows[1 - rank])]


def test_several_tensors_in_one_call() -> None:
    first, second = on_ranks(several)
    assert first[:8] == second[:8]
    assert first[:4] == [36.0, 0.0, 5.0, 150_000.0] and first[4:8] == [15.0, 0.0, 2.0, 50_000.0]
    assert first[8:] == [21.0, 0.0, 3.0, 100_000.0] and second[8:] == [15.0, 0.0, 2.0, 50_000.0]


def misfits(rank: int) -> None:
    x = rl.zeros(2)
    with pytest.raises(ValueError, match="Invalid usage of tensors with different dtypes"):
        dist.all_reduce_coalesced([x, rl.zeros(2, dtype=rl.int64)])
    with pytest.raises(TypeError, match="Expected parameter `tensor` of type"):
        dist.all_reduce_coalesced([x, 3])
    with pytest.raises(TypeError, match="output_tensor_lists should be a list"):
        dist.all_gather_coalesced(x, [x])
    with pytest.raises(RuntimeError, match="equal to the number of ranks"):
        dist.all_gather_coalesced([[x]], [x])
    with pytest.raises(RuntimeError, match="invalid tensor size"):
        dist.all_gather_coalesced([[x], [rl.zeros(3)]], [x])
    dist.barrier()


def test_what_does_not_fit_is_refused() -> None:
    on_ranks(misfits)


def test_how_much_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dist.get_debug_level()
    monkeypatch.setenv("TORCH_DISTRIBUTED_DEBUG", "detail")
    dist.set_debug_level_from_env()
    assert dist.get_debug_level() is dist.DebugLevel.DETAIL
    monkeypatch.setenv("TORCH_DISTRIBUTED_DEBUG", "much")
    with pytest.raises(ValueError, match="must be OFF, INFO, or DETAIL"):
        dist.set_debug_level_from_env()
    dist.set_debug_level(before)
    assert dist.get_debug_level() is before


def test_addresses_of_a_users_own_kind() -> None:
    asked = []

    def handler(address: str, timeout: Any = None) -> Any:
        asked.append(address)
        yield dist.HashStore(), 0, 1

    dist.register_rendezvous_handler("mine", handler)
    with pytest.raises(RuntimeError, match="Rendezvous handler for mine:// already registered"):
        dist.register_rendezvous_handler("mine", handler)
    dist.init_process_group("gloo", "mine://here?a=1", rank=0, world_size=1)
    assert dist.get_world_size() == 1
    dist.destroy_process_group()
    assert asked == ["mine://here?a=1&rank=0&world_size=1"]

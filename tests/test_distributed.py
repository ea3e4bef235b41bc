"""Questions and refusals where no group of processes was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rushlight as rl

NO_GROUP = "Default process group has not been initialized, please make sure to call "


def test_a_process_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that are told otherwise import FSDP at once."""
    dist = rl.distributed
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not dist.is_available() and not dist.is_initialized()
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    assert dist.is_available() and dist.is_initialized()
    dist.destroy_process_group()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert dist.is_available() and not dist.is_initialized()
    assert dist.is_gloo_available() and not dist.is_nccl_available()
    assert dist.ReduceOp.RedOpType.SUM is dist.ReduceOp.SUM


@pytest.mark.parametrize("name", ["get_rank", "get_world_size", "barrier", "new_group"])
def test_without_a_group_requests_say_so(name: str) -> None:
    with pytest.raises(ValueError, match=NO_GROUP):
        getattr(rl.distributed, name)()


def test_without_a_group_a_tensor_goes_nowhere() -> None:
    with pytest.raises(ValueError, match=NO_GROUP):
        rl.distributed.all_reduce(rl.ones(2))
    with pytest.raises(AssertionError, match="Process group cannot be None"):
        rl.distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("backend", "kind", "said"),
    [
        ("nccl", RuntimeError, "doesn't have NCCL built in"),
        ("wat", AssertionError, "Unknown backend type wat"),
    ],
)
def test_backends_that_are_not_there(backend: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        rl.distributed.init_process_group(
            backend, store=rl.distributed.HashStore(), rank=0, world_size=1
        )
    assert not rl.distributed.is_initialized()


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ([], "cannot be empty"),
        ([[0], [0]], r"Rank 0 has appeared in both subgroup \[0\] and \[0\]"),
    ],
)
def test_groups_by_lists_that_are_no_division(lists: list, said: str) -> None:
    rl.distributed.init_process_group(
        "gloo", store=rl.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        with pytest.raises(ValueError, match=said):
            rl.distributed.new_subgroups_by_enumeration(lists)
        assert rl.distributed.get_pg_count() == 1  # no group was made before it refused
    finally:
        rl.distributed.destroy_process_group()


def test_what_the_environment_must_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "localhost")):
        with pytest.raises(ValueError, match=f"environment variable {name} expected, but not set"):
            rl.distributed.init_process_group("gloo")
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="MASTER_PORT expected"):
        rl.distributed.init_process_group("gloo")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RANK", "x", "invalid literal for int"),
        ("RANK", "", "environment variable RANK expected, but not set"),
        ("RANK", "5", "rank 5 is none of 0 to 1: world_size is 2"),
        ("WORLD_SIZE", "0", "world size cannot be 0"),
        ("WORLD_SIZE", "1.5", "invalid literal for int"),
        ("MASTER_PORT", "99999", "port must have value from 0 to 65535 but was 99999"),
    ],
)
def test_what_the_environment_may_not_say(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for key, one in (sound | {name: value}).items():
        monkeypatch.setenv(key, one)
    with pytest.raises(ValueError, match=said):
        rl.distributed.init_process_group("gloo")


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ({"init_method": "file:///nowhere"}, ValueError, "file:// rendezvous: rank parameter"),
        ({"init_method": "foo:///x", "rank": 0}, RuntimeError, "No rendezvous handler for foo://"),
        ({"init_method": "tcp://localhost"}, ValueError, "tcp:// rendezvous: port number missing"),
        ({"timeout": 3}, TypeError, "Expected timeout argument to be of type datetime.timedelta"),
    ],
)
def test_what_init_process_group_refuses(how: dict, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        rl.distributed.init_process_group("gloo", **how)


def test_record_writes_the_error_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from rushlight.distributed.elastic.multiprocessing.errors import record

    @record
    def main(x: int) -> int:
        """What a program does."""
        return 1 // x

    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    assert main(1) == 1 and main.__doc__ == "What a program does."
    with pytest.raises(ZeroDivisionError):
        main(0)
    said = json.loads((tmp_path / "error.json").read_text())["message"]
    assert said["message"].startswith("ZeroDivisionError: ")
    assert "1 // x" in said["extraInfo"]["py_callstack"]

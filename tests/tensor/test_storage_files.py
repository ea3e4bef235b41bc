"""Storages over files, as the safetensors library reads checkpoints through them."""

from __future__ import annotations

from pathlib import Path

import pytest

import rushlight as torch


def test_a_file_is_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(torch.arange(6, dtype=torch.float32).numpy().tobytes())
    storage = torch.UntypedStorage.from_file(str(path), False, 24)
    part = torch.asarray(storage.untyped()[8:20], dtype=torch.uint8).view(dtype=torch.float32)
    assert part.tolist() == [2.0, 3.0, 4.0]
    part.mul_(10)
    assert torch.asarray(storage, dtype=torch.uint8).view(torch.float32)[2] == 20
    assert path.read_bytes()[8:12] == torch.tensor([2.0]).numpy().tobytes()
    with pytest.raises(RuntimeError, match="size <24> is smaller than the required"):
        torch.UntypedStorage.from_file(path, False, 25)


def test_a_shared_file_is_made_and_written(tmp_path: Path) -> None:
    storage = torch.UntypedStorage.from_file(tmp_path / "new", True, 4)
    storage.fill_(7)
    assert (tmp_path / "new").read_bytes() == b"\x07" * 4

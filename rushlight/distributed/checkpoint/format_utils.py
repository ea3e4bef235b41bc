"""Checkpoints in parts as one file of `torch.save`, and the other way.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from .default_planner import DefaultLoadPlanner
from .filesystem import FileSystemReader
from .flattening import put
from .metadata import Metadata, TensorStorageMetadata
from .parties import Party
from .state_dict_loader import read_into
from .state_dict_saver import save

__all__ = ["dcp_to_torch_save", "torch_save_to_dcp"]


class EmptyStateDictLoadPlanner(DefaultLoadPlanner):
    """Makes the state that was written, in an empty dictionary. `keys`: only what is under them."""

    def __init__(self, keys: set[str] | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys = keys

    def set_up_planner(
        self, state_dict: dict[str, Any], metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:  # fmt: skip
        """Put empty tensors of the written sizes in their places."""
        assert metadata is not None and not state_dict
        ways = metadata.planner_data or {}
        for name, about in metadata.state_dict_metadata.items():
            way = ways.get(name, (name,))
            starts = {".".join(map(str, way[: n + 1])) for n in range(len(way))}
            if self.keys is not None and not starts & self.keys:
                continue
            value = None
            if isinstance(about, TensorStorageMetadata):
                value = rl.empty(about.size, dtype=about.properties.dtype)
            put(state_dict, tuple(way), value)
        super().set_up_planner(state_dict, metadata, is_coordinator)


def dcp_to_torch_save(dcp_checkpoint_dir: Any, torch_save_path: Any) -> None:
    """Write what a folder of `save` holds into one file, which `torch.load` reads.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.distributed.checkpoint.format_utils import dcp_to_torch_save
    >>> from rushlight.distributed.checkpoint.state_dict_saver import save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = save({"x": torch.ones(2)}, checkpoint_id=f"{folder}/parts", no_dist=True)
    ...     dcp_to_torch_save(f"{folder}/parts", f"{folder}/whole.pt")
    ...     torch.load(f"{folder}/whole.pt")
    {'x': tensor([1., 1.])}
    """
    state: dict[str, Any] = {}
    reader = FileSystemReader(dcp_checkpoint_dir)
    read_into(state, reader, EmptyStateDictLoadPlanner(), Party(alone=True))
    rl.save(state, torch_save_path)


def torch_save_to_dcp(torch_save_path: Any, dcp_checkpoint_dir: Any) -> None:
    """Write what a file of `torch.save` holds into a folder, which `load` reads.

    >>> import rushlight as torch
    >>> import os, tempfile
    >>> from rushlight.distributed.checkpoint.format_utils import torch_save_to_dcp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({"x": torch.ones(2)}, f"{folder}/whole.pt")
    ...     torch_save_to_dcp(f"{folder}/whole.pt", f"{folder}/parts")
    ...     sorted(os.listdir(f"{folder}/parts"))
    ['.metadata', '__0_0.distcp']
    """
    save(rl.load(torch_save_path, weights_only=False), checkpoint_id=dcp_checkpoint_dir,
         no_dist=True)  # fmt: skip


_explain_missing(__name__)

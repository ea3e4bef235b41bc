"""DataParallel and its helpers on a machine without GPUs: everything passes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.names import explain_missing as _explain_missing
from ..module import Module
from .scatter_gather import gather, scatter

if TYPE_CHECKING:
    from .distributed import DistributedDataParallel

__all__ = [
    "DataParallel", "DistributedDataParallel", "data_parallel", "gather", "replicate", "scatter",
]  # fmt: skip


class DataParallel(Module):
    """A wrapper that splits batches over GPUs; without any it calls `module` itself.

    Arguments: `module`; `device_ids`, `output_device` and `dim` change nothing, for there is one
    device. The wrapped network is `.module`, and its state's keys begin with "module.".

    >>> import rushlight as torch
    >>> net = torch.nn.DataParallel(torch.nn.Linear(2, 3))
    >>> net(torch.zeros(4, 2)).shape, list(net.state_dict())
    (torch.Size([4, 3]), ['module.weight', 'module.bias'])
    """

    def __init__(
        self, module: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.dim = dim
        self.module = module
        self.device_ids: list[int] = []
        self.output_device = output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Any,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """Call `module` on `inputs`: there is one device, so nothing is split.

    >>> import rushlight as torch
    >>> torch.nn.parallel.data_parallel(torch.nn.ReLU(), torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


def replicate(network: Any, devices: Any, detach: bool = False) -> list[Any]:
    """One network for each device: the same one, for there is one device.

    >>> import rushlight as torch
    >>> net = torch.nn.ReLU()
    >>> torch.nn.parallel.replicate(net, [0])[0] is net
    True
    """
    return [network for _ in devices]


_explain_missing(
    __name__,
    {
        "DistributedDataParallel": (f"{__name__}.distributed", "DistributedDataParallel"),
        "distributed": (f"{__name__}.distributed", None),
    },
)

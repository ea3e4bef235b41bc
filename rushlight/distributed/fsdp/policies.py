"""What a user chooses for `fully_shard`.

Source: https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """In which types is computed and reduced; parameters and gradients are kept in their own.

    `param_dtype`: of the gathered parameters and of the floating-point inputs (unless
    `cast_forward_inputs=False`); `reduce_dtype`: of the sums of gradients; `output_dtype`: of the
    outputs. None: as it comes.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp import MixedPrecisionPolicy
    >>> MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32).param_dtype
    torch.bfloat16
    """

    param_dtype: Any = None
    reduce_dtype: Any = None
    output_dtype: Any = None
    cast_forward_inputs: bool = True


@dataclass
class OffloadPolicy:
    """Nothing is moved: everything is in main memory as it is.

    >>> from rushlight.distributed.fsdp import OffloadPolicy
    >>> OffloadPolicy()
    OffloadPolicy()
    """


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Parameters in main memory: where all of them are here.

    >>> from rushlight.distributed.fsdp import CPUOffloadPolicy
    >>> CPUOffloadPolicy()
    CPUOffloadPolicy(pin_memory=True)
    """

    pin_memory: bool = True

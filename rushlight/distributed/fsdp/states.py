"""In which form `FullyShardedDataParallel` gives its state, and smaller choices of its users.

Source: https://docs.pytorch.org/docs/stable/fsdp.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class StateDictType(Enum):
    """Whole tensors, or (SHARDED_STATE_DICT) DTensors of which each process has a part.

    >>> from rushlight.distributed.fsdp import StateDictType
    >>> [kind.name for kind in StateDictType]
    ['FULL_STATE_DICT', 'LOCAL_STATE_DICT', 'SHARDED_STATE_DICT']
    """

    FULL_STATE_DICT = auto()
    LOCAL_STATE_DICT = auto()
    SHARDED_STATE_DICT = auto()


class BackwardPrefetch(Enum):
    """When to gather ahead: programs name it, but nothing is gathered ahead here.

    >>> from rushlight.distributed.fsdp import BackwardPrefetch
    >>> [kind.name for kind in BackwardPrefetch]
    ['BACKWARD_PRE', 'BACKWARD_POST']
    """

    BACKWARD_PRE = auto()
    BACKWARD_POST = auto()


class OptimStateKeyType(Enum):
    """Whether an optimiser's state is told by names of parameters or by their numbers.

    >>> from rushlight.distributed.fsdp import OptimStateKeyType
    >>> [kind.name for kind in OptimStateKeyType]
    ['PARAM_NAME', 'PARAM_ID']
    """

    PARAM_NAME = auto()
    PARAM_ID = auto()


@dataclass
class CPUOffload:
    """Whether parameters wait in main memory, where all of them are here.

    >>> from rushlight.distributed.fsdp import CPUOffload
    >>> CPUOffload(offload_params=True)
    CPUOffload(offload_params=True)
    """

    offload_params: bool = False


@dataclass
class StateDictConfig:
    """`offload_to_cpu` changes nothing: all tensors are in main memory.

    >>> from rushlight.distributed.fsdp import StateDictConfig
    >>> StateDictConfig()
    StateDictConfig(offload_to_cpu=False)
    """

    offload_to_cpu: bool = False


@dataclass
class FullStateDictConfig(StateDictConfig):
    """`rank0_only`: the other processes get an empty dictionary.

    >>> from rushlight.distributed.fsdp import FullStateDictConfig
    >>> FullStateDictConfig(rank0_only=True)
    FullStateDictConfig(offload_to_cpu=False, rank0_only=True)
    """

    rank0_only: bool = False


@dataclass
class LocalStateDictConfig(StateDictConfig):
    """Options for LOCAL_STATE_DICT, which is not there.

    >>> from rushlight.distributed.fsdp import LocalStateDictConfig
    >>> LocalStateDictConfig()
    LocalStateDictConfig(offload_to_cpu=False)
    """


@dataclass
class ShardedStateDictConfig(StateDictConfig):
    """Options for SHARDED_STATE_DICT.

    >>> from rushlight.distributed.fsdp import ShardedStateDictConfig
    >>> ShardedStateDictConfig()
    ShardedStateDictConfig(offload_to_cpu=False, _use_dtensor=False)
    """

    _use_dtensor: bool = False


@dataclass
class OptimStateDictConfig:
    """Options for states of optimisers; `offload_to_cpu` changes nothing.

    >>> from rushlight.distributed.fsdp import OptimStateDictConfig
    >>> OptimStateDictConfig()
    OptimStateDictConfig(offload_to_cpu=True)
    """

    offload_to_cpu: bool = True


@dataclass
class FullOptimStateDictConfig(OptimStateDictConfig):
    """`rank0_only`: the other processes get an empty dictionary.

    >>> from rushlight.distributed.fsdp import FullOptimStateDictConfig
    >>> FullOptimStateDictConfig(rank0_only=True)
    FullOptimStateDictConfig(offload_to_cpu=True, rank0_only=True)
    """

    rank0_only: bool = False


@dataclass
class LocalOptimStateDictConfig(OptimStateDictConfig):
    """Options for LOCAL_STATE_DICT, which is not there.

    >>> from rushlight.distributed.fsdp import LocalOptimStateDictConfig
    >>> LocalOptimStateDictConfig()
    LocalOptimStateDictConfig(offload_to_cpu=False)
    """

    offload_to_cpu: bool = False


@dataclass
class ShardedOptimStateDictConfig(OptimStateDictConfig):
    """Options for SHARDED_STATE_DICT.

    >>> from rushlight.distributed.fsdp import ShardedOptimStateDictConfig
    >>> ShardedOptimStateDictConfig()
    ShardedOptimStateDictConfig(offload_to_cpu=True, _use_dtensor=False)
    """

    _use_dtensor: bool = False


@dataclass
class StateDictSettings:
    """A type of state and its options, as `set_state_dict_type` of a wrapper gives them back.

    >>> from rushlight.distributed.fsdp import FullOptimStateDictConfig, FullStateDictConfig
    >>> from rushlight.distributed.fsdp import StateDictSettings, StateDictType
    >>> options = FullStateDictConfig(), FullOptimStateDictConfig()
    >>> StateDictSettings(StateDictType.FULL_STATE_DICT, *options).state_dict_type.name
    'FULL_STATE_DICT'
    """

    state_dict_type: StateDictType
    state_dict_config: StateDictConfig
    optim_state_dict_config: OptimStateDictConfig


_CONFIGS: dict[StateDictType, tuple[type[StateDictConfig], type[OptimStateDictConfig]]] = {
    StateDictType.FULL_STATE_DICT: (FullStateDictConfig, FullOptimStateDictConfig),
    StateDictType.LOCAL_STATE_DICT: (LocalStateDictConfig, LocalOptimStateDictConfig),
    StateDictType.SHARDED_STATE_DICT: (ShardedStateDictConfig, ShardedOptimStateDictConfig),
}


def settings(
    kind: StateDictType, config: StateDictConfig | None = None,
    optimiser: OptimStateDictConfig | None = None,
) -> StateDictSettings:  # fmt: skip
    """The settings of a type.

    Raises: RuntimeError for options that are another type's; NotImplementedError for
    LOCAL_STATE_DICT.
    """
    if kind is StateDictType.LOCAL_STATE_DICT:
        raise NotImplementedError("LOCAL_STATE_DICT is not there: SHARDED_STATE_DICT has the parts")
    wanted = _CONFIGS[kind]
    given = (config or wanted[0](), optimiser or wanted[1]())
    for one, name, right in zip(given, ("state_dict_config", "optim_state_dict_config"), wanted):
        if type(one) is not right:
            raise RuntimeError(f"Expected {name} of type {right} but got {type(one)}")
    return StateDictSettings(kind, *given)

"""What `FullyShardedDataParallel` wraps, by each kind of policy, and the forms of its state."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed.fsdp import (
    FSDPModule,
    FullStateDictConfig,
    FullyShardedDataParallel,
    MixedPrecision,
    ShardedStateDictConfig,
    StateDictType,
    wrap,
)

from .ranks import on_ranks

dist: Any = rl.distributed
nn = rl.nn
SMALL = functools.partial(wrap.size_based_auto_wrap_policy, min_num_params=200)
POLICIES: dict[str, tuple[Any, set[str]]] = {
    "none": (None, set()),
    "size": (SMALL, {"1.0", "1.1", "2.0"}),
    "all sizes": (functools.partial(SMALL, min_num_params=1), {"0", "1.0", "1.1", "2.0"}),
    "function": (functools.partial(wrap.lambda_auto_wrap_policy,
                                   lambda_fn=lambda m: getattr(m, "in_features", 0) == 20),
                 {"1.1", "2.0"}),
    "layers": (functools.partial(wrap.transformer_auto_wrap_policy,
                                 transformer_layer_cls={nn.Sequential}), {"1"}),
    "classes": (wrap.ModuleWrapPolicy([nn.MultiheadAttention]), {"3"}),
    "a set": ({nn.Linear}, {"0", "1.0", "1.1", "2.0", "3.out_proj"}),
    "options": (wrap.CustomPolicy(
        lambda m: {"mixed_precision": MixedPrecision(rl.bfloat16)} if hasattr(m, "in_features")
        and m.in_features == 20 else False), {"1.1", "2.0"}),
}  # fmt: skip


def network(torch: Any) -> Any:
    """110 parameters; 220 and 210 in one that has them; 210 in a list; attention with 440."""
    n = torch.nn
    inner = n.Sequential(n.Linear(10, 20), n.Linear(20, 10))
    listed = n.ModuleList([n.Linear(20, 10)])
    return n.Sequential(n.Linear(10, 10), inner, listed, n.MultiheadAttention(10, 2))


@pytest.fixture
def alone() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", POLICIES)
def test_what_policies_choose(name: str) -> None:
    policy, expected = POLICIES[name]
    net = network(rl)
    FullyShardedDataParallel(net, auto_wrap_policy=policy)
    wrapped = {at for at, one in net.named_modules() if isinstance(one, FSDPModule)}
    assert wrapped == expected | {""}
    kind = net[1][1]._fsdp.group.policy.param_dtype if name == "options" else None
    assert kind is (rl.bfloat16 if name == "options" else None)


def test_a_policy_that_says_something_else_is_refused() -> None:
    policy = wrap.CustomPolicy(lambda m: 3)
    with pytest.raises(ValueError, match="should return False/True or a kwarg dict, but it"):
        list(wrap.chosen(network(rl), policy, set()))
    every = list(wrap.chosen(nn.Sequential(nn.Linear(1, 1)), wrap.always_wrap_policy, set()))
    assert [type(module) for module, _ in every] == [nn.Linear]
    assert wrap.ModuleWrapPolicy([nn.Linear])(nn.Linear(1, 1), recurse=False)
    assert not wrap.ModuleWrapPolicy([nn.Linear])(nn.ReLU(), recurse=False)


def states(rank: int) -> None:
    rl.manual_seed(0)
    model = FullyShardedDataParallel(nn.Linear(3, 4))
    kind, types = FullyShardedDataParallel, StateDictType
    whole = model.state_dict()
    assert whole["weight"].shape == (4, 3) and type(whole["weight"]) is rl.Tensor
    with kind.state_dict_type(model, types.SHARDED_STATE_DICT):
        parts = model.state_dict()
        assert parts["weight"].to_local().shape == (2, 3)
        assert rl.equal(parts["weight"].full_tensor(), whole["weight"])
        model.load_state_dict(parts)
    with kind.state_dict_type(
        model, types.FULL_STATE_DICT, FullStateDictConfig(offload_to_cpu=True, rank0_only=True)
    ):
        assert sorted(model.state_dict()) == ([] if rank else ["bias", "weight"])
        config: Any = kind.get_state_dict_type(model).state_dict_config
        assert config.rank0_only
    assert kind.get_state_dict_type(model).state_dict_type is types.FULL_STATE_DICT
    assert sorted(model.state_dict()) == ["bias", "weight"]
    with pytest.raises(RuntimeError, match="Expected state_dict_config of type"):
        kind.set_state_dict_type(model, types.FULL_STATE_DICT, ShardedStateDictConfig())
    assert kind.fsdp_modules(nn.Sequential(model)) == [model]


def test_states_whole_in_parts_and_on_one_process() -> None:
    on_ranks(states)

"""The meta device as a user meets it; the answers are torch 2.13's."""

from __future__ import annotations

import io

import pytest

import rushlight as torch
from rushlight import nn

HUGE = 1 << 18
ANSWERS = """
m -> tensor(..., device='meta', size=(3, 4))
m + z -> tensor(..., device='meta', size=(3, 4))
m.max(1)[1] -> tensor(..., device='meta', size=(3,), dtype=torch.int64)
m.t().stride() -> (1, 4)
m[1:].storage_offset() -> 4
m.data_ptr() -> 0
m.type() -> 'torch.meta.FloatTensor'
m.to('meta') is m -> True
m.new_zeros(3) -> tensor(..., device='meta', size=(3,))
torch.zeros_like(c, device='meta') -> tensor(..., device='meta', size=(3, 4))
torch.zeros_like(m, device='cpu').device -> device(type='cpu')
torch.arange(5, device='meta') -> tensor(..., device='meta', size=(5,), dtype=torch.int64)
torch.tensor([1, 2.0], device='meta') -> tensor(..., device='meta', size=(2,))
torch.as_tensor(c, device='meta') -> tensor(..., device='meta', size=(3, 4))
nn.Linear(4, 5, device='meta')(m).grad_fn.name() -> 'AddmmBackward0'
m.normal_().fill_(2).add_(1).copy_(c) is m -> True
m[torch.tensor([0, 1])] -> tensor(..., device='meta', size=(2, 4))
nn.functional.dropout(m) -> tensor(..., device='meta', size=(3, 4))
torch.linalg.inv(m[:, :3]) -> tensor(..., device='meta', size=(3, 3))
torch.device('meta', 0) -> device(type='meta')
"""
ERRORS = """
m[0, 0].item() -> RuntimeError: Tensor.item() cannot be called on meta tensors
bool(m[0, 0]) -> RuntimeError: Tensor.item() cannot be called on meta tensors
float(m[0, 0]) -> RuntimeError: Tensor.item() cannot be called on meta tensors
m.numpy() -> TypeError: can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy \
the tensor to host memory first.
m.tolist() -> NotImplementedError: Cannot copy out of meta tensor; no data!
m.cpu() -> NotImplementedError: Cannot copy out of meta tensor; no data!
c.copy_(m) -> NotImplementedError: Cannot copy out of meta tensor; no data!
m + c -> RuntimeError: Tensor on device cpu is not on the expected device meta!
c + m -> RuntimeError: Tensor on device meta is not on the expected device cpu!
torch.cat([m, c]) -> RuntimeError: Tensor on device cpu is not on the expected device meta!
nn.Linear(2, 2, device='meta').to('cpu') -> NotImplementedError: Cannot copy out of meta tensor; \
no data! Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module \
from meta to a different device.
"""


def _lines(text: str) -> list[tuple[str, ...]]:
    return [tuple(line.split(" -> ")) for line in text.strip().splitlines()]


def _run(code: str) -> object:
    m, c, z = torch.empty(3, 4, device="meta"), torch.ones(3, 4), torch.tensor(2.0)
    return eval(code, {"torch": torch, "nn": nn, "m": m, "c": c, "z": z})


@pytest.mark.parametrize(("code", "answer"), _lines(ANSWERS))
def test_what_it_says(code: str, answer: str) -> None:
    assert repr(_run(code)) == answer


@pytest.mark.parametrize(("code", "answer"), _lines(ERRORS))
def test_what_it_refuses(code: str, answer: str) -> None:
    with pytest.raises((RuntimeError, TypeError)) as caught:
        _run(code)
    kind, _, text = answer.partition(": ")
    assert (type(caught.value).__name__, str(caught.value).split("\n")[0]) == (kind, text)


@pytest.mark.parametrize(
    "code", ["m.nonzero()", "m[m > 0]", "torch.equal(m, m)", "torch.unique(m)"]
)
def test_questions_about_values_are_refused(code: str) -> None:
    with pytest.raises(NotImplementedError):
        _run(code)


def test_size_costs_nothing() -> None:
    """256 GB of weights, 64 MB of activations, and 10^13 multiplications."""
    net = nn.Sequential(nn.Linear(HUGE, HUGE, device="meta"), nn.ReLU())
    y = net(torch.empty(64, HUGE, device="meta"))
    (y @ y.t()).sum().backward()
    assert net[0].weight.grad.shape == (HUGE, HUGE) and net[0].weight.grad.is_meta


def test_a_block_is_a_default_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    with torch.device("meta"):
        net = nn.Linear(2, 2)
        made = [torch.zeros(2), torch.tensor([1.0]), torch.rand(2), torch.arange(3), torch.eye(2)]
        assert not torch.ones_like(torch.empty(1, device="cpu")).is_meta
    assert all(x.is_meta for x in [*made, *net.parameters()])
    assert torch.equal(before, torch.get_rng_state()) and not torch.zeros(1).is_meta


def test_values_come_by_assignment_or_in_empty_memory() -> None:
    net, source = nn.Linear(2, 3, device="meta"), nn.Linear(2, 3)
    assert net.load_state_dict(source.state_dict(), assign=True)
    assert torch.equal(net(torch.ones(1, 2)), source(torch.ones(1, 2)))
    empty = nn.Linear(2, 3, device="meta").to_empty(device="cpu")
    assert empty.weight.device.type == "cpu" and isinstance(empty.weight, nn.Parameter)
    with pytest.warns(UserWarning, match="which is a no-op"):
        nn.Linear(2, 3, device="meta").load_state_dict(source.state_dict())


def test_it_is_saved_as_its_looks() -> None:
    file = io.BytesIO()
    torch.save(torch.empty(3, 4, device="meta").t(), file)
    file.seek(0)
    found = torch.load(file)
    assert found.is_meta and found.shape == (4, 3) and found.stride() == (1, 4)

"""Flows between pictures, and transforms under the names of their kinds: torchvision's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rushlight as rl
from rushlight.vision.models import get_model, optical_flow
from rushlight.vision.transforms.v2 import functional
from rushlight.vision.tv_tensors import BoundingBoxFormat
from rushlight.vision.utils import flow_to_image
from tests.parity import flow_cases as cases
from tests.parity.nearness import near

RECORDED = json.loads(
    (Path(__file__).resolve().parents[1] / "parity" / "data" / "flow.json").read_text()
)


@pytest.mark.parametrize("name", cases.NETS)
def test_networks_are_torchvisions(name: str) -> None:
    found, expected = cases.net(rl, optical_flow, name), RECORDED["nets"][name]
    assert found.keys() == expected.keys() and found["layout"] == expected["layout"]
    for part in expected.keys() - {"layout"}:
        assert near(found[part], expected[part], 1e-4, 1e-4), (part, found[part], expected[part])


def test_they_are_listed() -> None:
    assert isinstance(get_model("raft_small"), optical_flow.RAFT)
    assert optical_flow.Raft_Large_Weights.DEFAULT.meta["num_params"] == 5_257_536


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ((64, 64), (64, 64), "too small to be down-sampled"),
        ((130, 128), (130, 128), "divisible by 8, instead got 130"),
        ((128, 128), (120, 128), r"same shape, instead got \(128, 128\)"),
    ],
)
def test_pictures_of_other_sizes_are_refused(first, second, text) -> None:
    with pytest.raises(ValueError, match=text):
        optical_flow.raft_small()(rl.zeros(1, 3, *first), rl.zeros(1, 3, *second))


def test_flows_as_pictures_are_torchvisions() -> None:
    found = cases.painted(rl, flow_to_image)
    for ours, theirs in zip(found, RECORDED["painted"], strict=True):
        # a shade between two bytes may fall to either
        assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (rl.zeros(2, 3, 3).double(), "Flow should be of dtype torch.float, got torch.float64."),
        (rl.zeros(3, 4, 4), r"shape \(2, H, W\) or \(N, 2, H, W\), got torch.Size\(\[3, 4, 4\]\)"),
    ],
)
def test_what_is_no_flow_is_refused(flow, text) -> None:
    with pytest.raises(ValueError, match=text):
        flow_to_image(flow)


def test_the_kinds_have_torchvisions_names() -> None:
    assert set(RECORDED["kernels"]) <= set(cases.names(functional))


@pytest.mark.parametrize("name", sorted(RECORDED["kernels"]))
def test_functions_of_a_kind_are_torchvisions(name: str) -> None:
    arguments, found = cases.kernel(rl, functional, BoundingBoxFormat, name)
    expected_arguments, expected = RECORDED["kernels"][name]
    assert arguments == expected_arguments
    # the same numbers in float32, added up
    found, expected = json.loads(json.dumps([found, expected]))
    assert near(found, expected, 2e-5, 2e-4), (found, expected)

"""Images read at places of a grid, beside a plain loop over the pixels."""

from __future__ import annotations

from itertools import product
from math import floor
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.heavy import SWITCH

F = torch.nn.functional


def by_loops(image: np.ndarray, grid: np.ndarray, nearest: bool) -> np.ndarray:
    """Zeros outside, corners of the image between the pixels."""
    size = image.shape[2:]
    y = np.zeros((*image.shape[:2], *grid.shape[1:-1]))
    for place in np.ndindex(grid.shape[:-1]):
        at = [((x + 1) * n - 1) / 2 for x, n in zip(grid[place][::-1], size)]
        for corner in product((0, 1), repeat=len(size)):
            whole = [round(x) if nearest else floor(x) + one for x, one in zip(at, corner)]
            if not all(0 <= i < n for i, n in zip(whole, size)) or (nearest and any(corner)):
                continue
            weight = 1.0 if nearest else np.prod([1 - abs(x - i) for x, i in zip(at, whole)])
            y[(place[0], slice(None), *place[1:])] += (
                weight * image[(place[0], slice(None), *whole)]
            )
    return y


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
def test_as_a_loop_reads(dims: int, nearest: bool) -> None:
    draws = np.random.RandomState(dims)
    image = draws.standard_normal((2, 3, 4, 5, 3)[: 2 + dims])
    grid = draws.uniform(-1.7, 1.7, (2, *(3, 4, 2)[:dims], dims))
    grid.reshape(-1)[:6] = (-1, 1, -1.25, 1.25, 50, -50)
    found = F.grid_sample(
        torch.from_numpy(image), torch.from_numpy(grid), "nearest" if nearest else "bilinear",
        align_corners=False,
    )  # fmt: skip
    np.testing.assert_allclose(found.numpy(), by_loops(image, grid, nearest), 1e-12, 1e-12)


@pytest.mark.parametrize("mode", ["border", "reflection"])
def test_no_gradient_from_the_edge_on(mode: str) -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4) ** 2
    grid = torch.tensor([[-1.0, 1.0], [1.0, -1.0], [0.5, 0.25]]).reshape(1, 1, 3, 2)
    grid.requires_grad_()
    F.grid_sample(image, grid, padding_mode=mode, align_corners=True).sum().backward()
    assert grid.grad is not None
    assert grid.grad[0, 0].eq(0).tolist() == [[True, True], [True, True], [False, False]]


def test_what_is_no_number_reads_no_pixel() -> None:
    grid = torch.tensor([torch.nan, 0.0]).reshape(1, 1, 1, 2)
    y = F.grid_sample(torch.ones(1, 1, 3, 3), grid, "nearest", align_corners=False)
    assert y.item() == 0


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("kind", ["f", "d"])
def test_what_is_not_recorded_has_the_same_bits(mode: str, padding: str, kind: str) -> None:
    draws = np.random.RandomState(7)
    odd = [np.nan, np.inf, -np.inf, 1e30, -1.0, 1.0, 0.0, -0.0]
    for dims in (2, 3) if mode != "bicubic" else (2,):
        for images, size, places in (
            (1, (5, 4, 3), (4, 3, 2)), (7, (1, 6, 5), (1, 1, 1)), (2, (3, 1, 4), (70, 65, 1)),
            (1, (1, 1, 1), (3, 2, 2)), (6, (4, 3, 3), (2, 3, 2)),
        ):  # fmt: skip
            image = draws.standard_normal((images, 2, *size[:dims])).astype(kind)
            grid = draws.uniform(-1.7, 1.7, (images, *places[:dims], dims)).astype(kind)
            image.reshape(-1)[::9], grid.reshape(-1)[::7] = -0.0, draws.choice(odd)
            image.reshape(-1)[-1] = np.inf
            x, g = torch.from_numpy(image), torch.from_numpy(grid).transpose(1, 2)
            for align in (False, True):
                plain = F.grid_sample(x, g, mode, padding, align)
                kept = F.grid_sample(x.clone().requires_grad_(), g, mode, padding, align)
                assert plain.numpy().tobytes() == kept.detach().numpy().tobytes()
                assert plain.shape == kept.shape and plain.stride() == kept.stride()


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_programs_read_as_numpy_does(mode: str, padding: str, monkeypatch: Any) -> None:
    draws = np.random.RandomState(3)
    image, way = (draws.standard_normal((2, 3, 9, n)).astype("f") for n in (7, 5))
    grid = draws.uniform(-1.6, 1.6, (2, 9, 5, 2)).astype("f")

    def found() -> list[np.ndarray]:
        x, g = (torch.from_numpy(one).requires_grad_() for one in (image, grid))
        y = F.grid_sample(x, g, mode, padding, False)
        y.backward(torch.from_numpy(way))
        assert x.grad is not None and g.grad is not None
        return [one.detach().numpy() for one in (y, x.grad, g.grad)]

    monkeypatch.setattr(SWITCH, "least", 1)
    natively = found()
    monkeypatch.setattr(SWITCH, "least", 1 << 30)
    for one, other in zip(natively, found()):
        np.testing.assert_allclose(one, other, 1e-4, 1e-5)


def test_second_derivatives_are_those_of_differences() -> None:
    draws = np.random.RandomState(5)
    image, grid = draws.standard_normal((1, 2, 4, 5)), draws.uniform(-0.9, 0.9, (1, 3, 2, 2))
    for mode in ("bilinear", "bicubic"):
        inputs = [torch.from_numpy(one).requires_grad_() for one in (image, grid)]
        assert torch.autograd.gradgradcheck(
            lambda x, g, mode=mode: F.grid_sample(x, g, mode, "zeros", False), inputs
        )

"""Convolution as three multilinear ops, each the adjoint of the others.

convolution       y  = x * w            (patches times the weight matrix)
convolution_data  dx from y and w       (also the transposed convolution)
convolution_weight dw from y and x

Every op walks over blocks of the batch: the patches of a block are copied side by side into one
scratch array that fits the cache, and one matrix product does the rest. Spatial dimensions may be
any number; parameters are `stride, padding, dilation` (a tuple each) and `groups`.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...core.families import multilinear
from ...core.heavy import fitted, heavy
from ...core.primitive import BIASED
from ..reduce import sum as sum_of
from .kernels import half, widened

Sizes = tuple[int, ...]
_BLOCK = 1 << 18  # elements of scratch per block: 1 MiB of float32
_IMAGE = 8 * _BLOCK  # elements of the patches of one image; beyond, it is done some rows at a time
_FEW = 64  # places per image up to which images are taken together


_TABLE = 1 << 13  # elements of images, and of their patches, up to which calls are what counts


def output_size(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Sizes:
    """How often the kernel fits in each dimension."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation)
    )


def padded(x: np.ndarray, padding: Sizes, value: float = 0) -> np.ndarray:
    """x with its spatial dimensions padded on both sides."""
    if not any(padding):
        return x
    sizes = tuple(n + 2 * p for n, p in zip(x.shape[2:], padding))
    y = np.zeros((*x.shape[:2], *sizes), x.dtype)
    if value:
        y.fill(value)
    y[inner(padding, x.shape[2:])] = x
    return y


def inner(padding: Sizes, size: Sizes) -> tuple[Any, ...]:
    """The part of a padded array that is not padding."""
    return (..., *(slice(p, p + n) for p, n in zip(padding, size)))


def windows(x: np.ndarray, kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> np.ndarray:
    """A view (batch, channels, *kernel, *out) of every place under the kernel, without a copy."""
    steps = x.strides[2:]
    return as_strided(
        x, (*x.shape[:2], *kernel, *out),
        (*x.strides[:2], *(s * d for s, d in zip(steps, dilation)),
         *(s * t for s, t in zip(steps, stride))),
        writeable=False,
    )  # fmt: skip


def position(at: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> tuple[Any, ...]:
    """The elements of a padded array that one position of the kernel meets."""
    return (..., *(slice(i * d, i * d + (n - 1) * s + 1, s)
                   for i, s, d, n in zip(at, stride, dilation, out)))  # fmt: skip


def clipped(
    at: Sizes, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
) -> tuple[Any, Any]:
    """Which elements of an unpadded array one kernel position meets, and from which outputs."""
    met, used = [], []
    for i, n, s, p, d, m in zip(at, size, stride, padding, dilation, out):
        shift = i * d - p
        first = max(0, -(shift // s)) if shift < 0 else 0
        stop = max(first, min(m, (n - 1 - shift) // s + 1))
        start = shift + first * s
        met.append(slice(start, max(start, start + (stop - first - 1) * s + 1), s))
        used.append(slice(first, stop))
    return (..., *met), (..., *used)


def _plain(kernel: Sizes, stride: Sizes, padding: Sizes, groups: int) -> bool:
    """Whether the convolution is a matrix product at every place as it stands."""
    return groups == 1 and set(kernel) | set(stride) == {1} and not any(padding)


def _step(images: int, elements: int) -> int:
    return max(1, min(images, _BLOCK // max(1, elements)))


def _spans(out: Sizes, elements: int) -> list[tuple[int, int]]:
    """Runs of rows of the result whose patches, `elements` for all rows, are not too many."""
    rows = max(1, out[0] * _IMAGE // max(1, elements))
    return [(start, min(start + rows, out[0])) for start in range(0, out[0], rows)]


@lru_cache(64)
def _table(
    shape: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
) -> tuple[np.ndarray, bool] | None:
    """Which elements of few images stand in their patches: (channels x kernel, images x places).

    And whether patches reach beyond the images: what stands there has the number after the last
    element's. None where there is too much of it.
    """
    size = prod(shape)
    if not 0 < size <= _TABLE or not 0 < prod(shape[:2]) * prod(kernel) * prod(out) <= _TABLE:
        return None
    elements = padded(np.arange(size).reshape(shape), padding, size)
    if any(
        (o - 1) * s + d * (k - 1) >= n
        for o, s, d, k, n in zip(out, stride, dilation, kernel, elements.shape[2:])
    ):
        return None
    view = windows(elements, kernel, stride, dilation, out)
    table = np.moveaxis(view, 0, view.ndim // 2).reshape(shape[1] * prod(kernel), -1)
    table.flags.writeable = False
    return table, any(padding)


def _few_patches(x: np.ndarray, found: tuple[np.ndarray, bool]) -> np.ndarray:
    table, beyond = found
    flat = x.reshape(-1)
    if beyond:
        flat = np.empty(x.size + 1, x.dtype)
        flat[:-1] = x.reshape(-1)
        flat[-1] = 0
    return flat.take(table)


def _few_results(w: np.ndarray, patches: np.ndarray, shape: Sizes, groups: int) -> np.ndarray:
    """The products of the kernels with few patches."""
    (n, o), each = shape[:2], patches.shape[1]
    if groups == 1:
        y = w.reshape(o, -1).dot(patches)
    else:
        y = np.matmul(w.reshape(groups, o // groups, -1), patches.reshape(groups, -1, each))
    if n == 1:
        return y.reshape(shape)
    return np.ascontiguousarray(y.reshape(o, n, -1).swapaxes(0, 1)).reshape(shape)


def _few_gradients(g: np.ndarray, groups: int) -> np.ndarray:
    """Gradients (groups, channels, images x places) of results as `_few_results` makes them."""
    n, o = g.shape[:2]
    ours = g if n == 1 else g.reshape(n, o, -1).swapaxes(0, 1)
    return ours.reshape(groups, o // groups, -1)


def _forward(
    x: np.ndarray, w: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> np.ndarray:
    n, c, kernel = x.shape[0], x.shape[1], w.shape[2:]
    out = output_size(x.shape[2:], kernel, stride, padding, dilation)
    o, length = w.shape[0], prod(out)
    found = _table(x.shape, kernel, stride, padding, dilation, out) if x.size <= _TABLE else None
    if found is not None and w.size:
        return _few_results(w, _few_patches(x, found), (n, o, *out), groups)
    matrix = w.reshape(groups, o // groups, -1)
    y = np.empty((n, groups, o // groups, length), np.result_type(x, w))
    if y.size == 0:
        return y.reshape(n, o, *out)
    if _plain(kernel, stride, padding, groups):
        np.matmul(matrix, x.reshape(n, 1, c, length), out=y)
        return y.reshape(n, o, *out)
    view = windows(padded(x, padding), kernel, stride, dilation, out)
    if length <= _FEW and groups == 1:
        return _few_places(view, matrix[0], y).reshape(n, o, *out)
    elements = c * prod(kernel) * length
    step, spans, row = _step(n, elements), _spans(out, elements), length // out[0]
    most, dim = spans[0][1], 2 + len(kernel)
    scratch = np.empty(step * elements // out[0] * most, x.dtype)
    for start in range(0, n, step):
        for top, end in spans:
            seen = view[(slice(start, start + step), *(slice(None),) * (dim - 1), slice(top, end))]
            block = scratch[: seen.size].reshape(seen.shape)
            block[...] = seen
            block = block.reshape(len(seen), groups, -1, (end - top) * row)
            np.matmul(matrix, block, out=y[start : start + step, ..., top * row : end * row])
    return y.reshape(n, o, *out)


def _few_places(view: np.ndarray, matrix: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Small images: the places of many images make one product that is long enough to pay."""
    n, length = len(view), y.shape[-1]
    y = y.reshape(n, -1, length)
    step = max(1, min(n, (_BLOCK << 4) // (matrix.shape[1] * length)))
    for start in range(0, n, step):
        part = np.moveaxis(view[start : start + step], 0, view.ndim // 2)
        found = np.matmul(matrix, part.reshape(matrix.shape[1], -1))
        y[start : start + step] = found.reshape(len(matrix), -1, length).swapaxes(0, 1)
    return y


def _backward_data(
    g: np.ndarray, w: np.ndarray, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> np.ndarray:  # fmt: skip
    """The images' gradient: one product, a convolution the other way, or a sum of patches."""
    kernel, out, channels = w.shape[2:], g.shape[2:], w.shape[1] * groups
    plain = _plain(kernel, stride, padding, groups)
    if g.size == 0:
        return np.zeros((len(g), channels, *size), np.result_type(g, w))
    if plain and out == size:
        found = np.matmul(w.reshape(len(w), -1).T, g.reshape(*g.shape[:2], -1))
        return found.reshape(len(g), channels, *size)
    shape = (len(g), channels, *size)
    few = _table(shape, kernel, stride, padding, dilation, out) if g.size <= _TABLE else None
    if few is not None and w.size:
        turned = w.reshape(groups, len(w) // groups, -1).swapaxes(1, 2)
        dx = np.zeros(prod(shape) + 1, np.result_type(g, w))
        np.add.at(dx, few[0].reshape(-1), np.matmul(turned, _few_gradients(g, groups)).reshape(-1))
        return dx[:-1].reshape(shape).copy()
    if not plain and set(stride) == {1} and len(w) <= 2 * channels:
        turned = _turned_padding(size, kernel, out, padding, dilation)
        if turned is not None:
            return _forward(g, _flipped(w, groups), stride, turned, dilation, groups)
    places = list(product(*map(range, kernel)))
    met = [clipped(at, size, stride, padding, dilation, out) for at in places]
    return _summed_patches(g, w, size, groups, list(zip(places, met)))


def _turned_padding(
    size: Sizes, kernel: Sizes, out: Sizes, padding: Sizes, dilation: Sizes
) -> Sizes | None:
    """The padding of the convolution that undoes one of stride 1; None where there is none."""
    found = []
    for before, k, after, p, d in zip(size, kernel, out, padding, dilation):
        reach = d * (k - 1)
        if p > reach or after != before + 2 * p - reach:
            return None
        found.append(reach - p)
    return tuple(found)


def _summed_patches(
    g: np.ndarray, w: np.ndarray, size: Sizes, groups: int, taps: list[tuple[Any, Any]]
) -> np.ndarray:
    """What each place of the kernel hands back, added up where it was read, block by block.

    `taps` has for each place of the kernel the part of the image and of the result that it joins.
    """
    (n, o), kernel, out, c = g.shape[:2], w.shape[2:], g.shape[2:], w.shape[1] * groups
    matrix = w.reshape(groups, o // groups, -1).swapaxes(1, 2)
    dx = np.empty((n, c, *size), np.result_type(g, w))
    # twice the block: the sums below want long runs of images more than they want the cache
    step = max(1, min(n, 2 * _BLOCK // (c * prod(kernel) * prod(out))))
    for start in range(0, n, step):
        ours = _batch_last(g[start : start + step])
        count = ours.shape[-1]
        patches = np.matmul(matrix, ours.reshape(groups, o // groups, -1))
        patches = patches.reshape(c, *kernel, *out, count)
        part = np.zeros((c, *size, count), dx.dtype)
        for at, ((_, *met), (_, *used)) in taps:
            part[(slice(None), *met)] += patches[(slice(None), *at)][(slice(None), *used)]
        dx[start : start + step] = np.moveaxis(part, -1, 0)
    return dx


def _flipped(w: np.ndarray, groups: int) -> np.ndarray:
    """The weight of the convolution that undoes one of stride 1: mirrored, channels swapped."""
    o, c, *kernel = w.shape
    w = np.flip(w, tuple(range(2, w.ndim)))
    w = w.reshape(groups, o // groups, c, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(w).reshape(groups * c, o // groups, *kernel)


def _batch_last(x: np.ndarray) -> np.ndarray:
    """A block of images with the batch innermost: places side by side make long runs to copy."""
    return np.ascontiguousarray(np.moveaxis(x, 0, -1))


def _columns(
    x: np.ndarray, kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes
) -> np.ndarray:
    """The patches (channels, *kernel, *out, batch) of images with the batch innermost."""
    steps, (first, last) = x.strides[1:-1], (x.strides[0], x.strides[-1])
    view = as_strided(
        x, (len(x), *kernel, *out, x.shape[-1]),
        (first, *(s * d for s, d in zip(steps, dilation)), *(s * t for s, t in zip(steps, stride)),
         last),
        writeable=False,
    )  # fmt: skip
    return np.ascontiguousarray(view)


def _backward_weight(
    g: np.ndarray, x: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> np.ndarray:  # fmt: skip
    n, o, out = g.shape[0], g.shape[1], g.shape[2:]
    c, length = x.shape[1], prod(g.shape[2:])
    rows, columns = o // groups, c // groups * prod(kernel)
    found = _table(x.shape, kernel, stride, padding, dilation, out) if x.size <= _TABLE else None
    if found is not None and g.size:
        patches = _few_patches(x, found).reshape(groups, columns, -1)
        dw = np.matmul(_few_gradients(g, groups), patches.swapaxes(1, 2))
        return dw.reshape(o, c // groups, *kernel)
    dw = np.zeros((groups, rows, columns), np.result_type(g, x))
    if g.size and columns:
        # a block should outweigh the sum it is added to
        step = max(_step(n, columns * groups * length), min(n, 4 * rows // length + 1))
        reach = dilation[0] * (kernel[0] - 1) + 1
        for start in range(0, n, step):
            images = padded(x[start : start + step], padding)
            for top, end in _spans(out, min(step, n) * columns * groups * length):
                first, last = top * stride[0], (end - 1) * stride[0] + reach
                part, some = _batch_last(images[:, :, first:last]), (end - top, *out[1:])
                block = _columns(part, kernel, stride, dilation, some).reshape(groups, columns, -1)
                ours = _batch_last(g[start : start + step, :, top:end]).reshape(groups, rows, -1)
                dw += np.matmul(ours, block.swapaxes(1, 2))
    return dw.reshape(o, c // groups, *kernel)


def _wide(kernel: Any) -> Any:
    """The kernel with 16-bit numbers computed in float32."""

    def evaluate(a: np.ndarray, b: np.ndarray, *params: Any) -> np.ndarray:
        if half(a):
            return fitted(kernel(widened(a), widened(b), *params), a.dtype)
        return kernel(a, b, *params)

    return evaluate


def _with_bias(x: np.ndarray, w: np.ndarray, bias: np.ndarray, *params: Any) -> np.ndarray:
    if half(x):  # rounded once, as torch rounds
        wide = _with_bias(*map(widened, (x, w, bias)), *params)
        return fitted(wide, x.dtype)
    y = _convolve(x, w, *params)
    y += bias.reshape(-1, *(1,) * (y.ndim - 2))
    return y


_convolve = _wide(_forward)


def _data_adjoint(g: Any, x: Any, w: Any, *params: Any) -> Any:
    return convolution_data(g, w.conj(), x.shape[2:], *params)


def _weight_adjoint(g: Any, x: Any, w: Any, *params: Any) -> Any:
    return convolution_weight(g, x.conj(), w.shape[2:], *params)


def _bias_adjoint(g: Any, x: Any, w: Any, bias: Any, *params: Any) -> Any:
    return sum_of(g, (0, *range(2, g.ndim)), False)


_NO_BOOL = {"bool": lambda x, *_: "compute_columns3d" if x.ndim == 5 else "slow_conv2d_cpu"}
convolution = multilinear(
    "convolution", eval=heavy("convolution", _convolve, images=True, once=True),
    adjoints=[_data_adjoint, _weight_adjoint],
    refuses=_NO_BOOL,
    doc="y[n, o] = sum over c of x[n, c] correlated with w[o, c].",
)  # fmt: skip
convolution_bias = multilinear(
    "convolution_bias", node="ConvolutionBackward0", reads=BIASED, refuses=_NO_BOOL,
    eval=heavy("convolution_bias", _with_bias, images=True, once=True),
    adjoints=[lambda g, x, w, b, *params: _data_adjoint(g, x, w, *params),
              lambda g, x, w, b, *params: _weight_adjoint(g, x, w, *params), _bias_adjoint],
    doc="A convolution plus one number per output channel.",
)  # fmt: skip


def _to_size(y: Any, shape: Sizes) -> Any:
    """Places past the end, which output padding beyond the stride adds, cut off."""
    return y if y.shape == shape else y[tuple(map(slice, shape))]


convolution_data = multilinear(
    "convolution_data", node="ConvolutionBackward0",
    refuses={"bool uint8": lambda x, *_: f"slow_conv_transpose{max(x.ndim - 2, 2)}d_out_cpu"},
    eval=heavy("convolution_data", _wide(_backward_data), images=True, once=True),
    adjoints=[lambda g, y, w, size, *params: _to_size(convolution(g, w.conj(), *params), y.shape),
              lambda g, y, w, size, *params: convolution_weight(y.conj(), g, w.shape[2:], *params)],
    doc="The adjoint of a convolution in its input: a transposed convolution.",
)  # fmt: skip
convolution_weight = multilinear(
    "convolution_weight", node="ConvolutionBackwardBackward0",
    eval=heavy("convolution_weight", _wide(_backward_weight), images=True, once=True),
    adjoints=[lambda g, y, x, kernel, *params: _to_size(convolution(x.conj(), g, *params), y.shape),
              lambda g, y, x, kernel, *params: convolution_data(y.conj(), g, x.shape[2:], *params)],
    doc="The adjoint of a convolution in its weight.",
)  # fmt: skip

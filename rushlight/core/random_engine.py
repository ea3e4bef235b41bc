"""Random numbers: torch's CPU generator (Mersenne Twister MT19937), number for number.

Every method takes from the stream exactly the words that torch's kernel takes, in the same order,
so a program's later draws agree as well. Where torch has two algorithms (a vectorised one for 16
and more normals in contiguous memory, a serial one for the rest), so has this file.

>>> from rushlight.core.random_engine import Engine
>>> engine = Engine(0)
>>> engine.uniform(3)
array([0.4962566 , 0.7682218 , 0.08847743], dtype=float32)
>>> engine.randperm(5).tolist()
[0, 4, 2, 1, 3]
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import random_draws as draws
from . import random_rejection as rejection
from .dtypes import part_of
from .errors import fail
from .heavy import along
from .numbers import number
from .random_draws import Array
from .random_places import (
    FEW_SAMPLES,
    below_shares,
    check_bounds,
    check_continuous,
    check_integers,
    check_multinomial,
    check_rows,
    check_weights,
    first_of_race,
    kind_of,
    memory_axes,
    name_of,
    place,
    size_of,
)
from .random_stream import FEW, Stream

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

# The dtypes that a kernel takes, as `kind_of` names them.
_REAL = ("half", "single", "double")
_FLOAT32 = np.dtype(np.float32)
_INT64 = np.dtype(np.int64)
_FEW_ROWS = 256  # normals up to which the rest of a block of words is worth computing with them
_WIDE = 1 << 62
_NUMBER = (*_REAL, "integer")
_ANY = (*_NUMBER, "bool")


class Engine(Stream):
    """A stream of random numbers, equal to `torch.Generator()`'s for the same seed.

    The drawing methods take a shape (an int or a tuple) and a NumPy dtype and return a new array;
    with `out` they fill that array instead, in the order torch visits its memory, and return it.

    >>> engine = Engine().manual_seed(42)
    >>> engine.randint(0, 10, (4,)).tolist()
    [2, 7, 6, 4]
    >>> engine.initial_seed()
    42
    """

    # --- Continuous distributions

    def uniform(
        self, shape: Any = None, dtype: DTypeLike = np.float32, low: float = 0.0,
        high: float = 1.0, *, out: Array | None = None,
    ) -> Array:  # fmt: skip
        """Uniform on [low, high): one word each, two for float64; complex draws both parts."""
        if low == 0 and high == 1:  # the common cases, soon done
            if out is None and type(shape) is tuple and (dtype is _FLOAT32 or dtype is np.float32):
                return self.singles(math.prod(shape)).reshape(shape)
            if out is not None and out.dtype is _FLOAT32:
                return place(self.singles(out.size), out.shape, _FLOAT32, out)
        shape, dtype, count = size_of(shape, dtype, out)
        kind = kind_of(dtype, '"check_uniform_bounds"', *_REAL, "complex")
        check_bounds(low, high, dtype)
        if kind == "complex":
            return self._complex(self.uniform, shape, dtype, (low, high), out)
        if kind == "double":
            values = self.doubles(count)
            return place(draws.scaled(values, low, high - low), shape, dtype, out)
        values = self.singles(count)
        start = np.float32(low)
        values = draws.scaled(values, float(start), float(np.float32(high) - start))
        if kind == "half":  # a value that rounds up to the end becomes the start
            values = values.astype(dtype)
            first, last = np.array([low, high]).astype(np.float32).astype(dtype)
            values = np.where(values >= last, first, values)
        return place(values, shape, dtype, out)

    def normal(
        self, shape: Any = None, dtype: DTypeLike = np.float32, mean: float = 0.0,
        std: float = 1.0, *, out: Array | None = None,
    ) -> Array:  # fmt: skip
        """Normal numbers; for a complex dtype `std` is that of the whole number.

        >>> Engine(0).normal(3)
        array([ 1.5409961, -0.2934289, -2.1787894], dtype=float32)
        """
        plain = mean == 0 and std == 1 and (dtype is _FLOAT32 or dtype is np.float32)
        if plain and out is None and type(shape) is tuple:  # whole rows are soon done
            count = math.prod(shape)
            if 16 <= count <= _FEW_ROWS and count % 16 == 0:
                return self.block_normals(count).reshape(shape)
        elif (
            out is not None and out.dtype is _FLOAT32 and out.size >= 16 and std >= 0
            and out.flags.c_contiguous
        ):  # fmt: skip
            return place(self._filled(out.size, "single", mean, std), out.shape, _FLOAT32, out)
        shape, dtype, count = size_of(shape, dtype, out)
        if std < 0:
            raise fail(RuntimeError, f"normal expects std >= 0.0, but found std {std:g}")
        kind = kind_of(dtype, '"normal_kernel_cpu"', *_REAL, "complex")
        if kind == "complex":
            parts = self._complex(self.normal, shape, dtype, (0.0, std / math.sqrt(2.0)), out)
            if mean:
                parts += np.asarray(complex(mean, mean), dtype)  # both parts, as torch
            return parts
        if count < 16 or not (out is None or out.flags.c_contiguous):
            values = self.serial_normals(count)
            if (mean, std) != (0.0, 1.0):
                values = draws.affine(values, float(std), float(mean))
        else:
            values = self._filled(count, kind, float(mean), float(std))
        return place(values, shape, dtype, out)

    def _filled(self, count: int, kind: str, mean: float, std: float) -> Array:
        """Normals in rows of 16; a ragged end is drawn anew, as the last 16 numbers."""
        double = kind == "double"
        if count <= _FEW_ROWS and count % 16 == 0 and not double:
            found = self.block_normals(count)
            return found if (mean, std) == (0.0, 1.0) else draws.affine(found, std, mean)
        uniforms = self.doubles if double else self.singles
        transform = draws.box_muller64 if double else draws.box_muller32
        ragged = count % 16
        # Half precision draws whole rows only; the others draw the ragged end as well, in vain.
        values = uniforms(count - ragged if kind == "half" else count)
        transform(values[: count - ragged], mean, std)
        if not ragged:
            return values
        tail = uniforms(16)
        transform(tail, mean, std)
        if kind == "half":
            return np.concatenate([values[: count - 16], tail])
        values[count - 16 :] = tail
        return values

    def serial_normals(self, count: int) -> Array:
        """Standard float64 normals in pairs, keeping the odd one for the next call."""
        if not count:
            return np.empty(0)
        kept = [] if self._spare is None else [self._spare]
        pairs = (count - len(kept) + 1) // 2
        if pairs < 32:
            few = kept + draws.few_pairs(self.few_doubles(2 * pairs))
            self._spare = None if len(few) == count else few[-1]
            return np.array(few[:count])
        values = draws.serial_pairs(self.doubles(2 * pairs))
        if kept:
            values = np.concatenate([kept, values])
        self._spare = None if values.size == count else float(values[-1])
        return values[:count]

    def normal_like(self, mean: Any, std: Any) -> Array:
        """`torch.normal` with an array for `mean`, for `std` or for both, broadcast together."""
        arrays = [x for x in (mean, std) if isinstance(x, np.ndarray)]
        dtype, shape = arrays[0].dtype, np.broadcast_shapes(*(x.shape for x in arrays))
        if not isinstance(std, np.ndarray):
            return self.normal(shape, dtype, 0.0, std) + mean
        if std.size and not (std >= 0).all():
            raise fail(RuntimeError, "normal expects all elements of std >= 0.0")
        values = self.normal(shape, dtype)
        return (values * std + np.asarray(mean, dtype)).astype(dtype, copy=False)

    def log_normal(
        self, shape: Any = None, dtype: DTypeLike = np.float32, mean: float = 1.0,
        std: float = 2.0, *, out: Array | None = None,
    ) -> Array:  # fmt: skip
        """exp of a normal number."""
        shape, dtype, count = size_of(shape, dtype, out)
        if std <= 0:
            raise fail(RuntimeError, f"log_normal_ expects std > 0.0, but found std={std:g}")
        kind_of(dtype, '"log_normal_cpu"', *_REAL)
        values = draws.affine(self.serial_normals(count), float(std), float(mean))
        return place(np.exp(values), shape, dtype, out)

    def exponential(
        self, shape: Any = None, dtype: DTypeLike = np.float32, rate: float = 1.0, *,
        out: Array | None = None,
    ) -> Array:  # fmt: skip
        """Exponential with density rate * exp(-rate * x)."""
        shape, dtype, count = size_of(shape, dtype, out)
        if not rate > 0:
            message = f"exponential_ expects lambda > 0.0, but found lambda={rate:g}"
            raise fail(RuntimeError, message)
        check_continuous("Exponential", dtype)
        values = np.log1p(-self.doubles(count))
        values *= -1.0 / rate
        return place(values, shape, dtype, out)

    def cauchy(
        self, shape: Any = None, dtype: DTypeLike = np.float32, median: float = 0.0,
        sigma: float = 1.0, *, out: Array | None = None,
    ) -> Array:  # fmt: skip
        """Cauchy with the given median and half-width `sigma`."""
        shape, dtype, count = size_of(shape, dtype, out)
        if not sigma > 0:
            raise fail(RuntimeError, f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
        check_continuous("Cauchy", dtype)
        values = np.tan(math.pi * (self.doubles(count) - 0.5))
        return place(median + sigma * values, shape, dtype, out)

    def _complex(self, draw: Any, shape: Any, dtype: np.dtype, args: tuple, out: Any) -> Array:
        """Draw the real and imaginary parts, which alternate in memory."""
        real = part_of(dtype)
        if out is None:
            return draw((*shape, 2), real, *args).view(dtype)[..., 0]
        strides = (*out.strides, real.itemsize)
        if out.flags.c_contiguous:
            parts = np.ndarray((*out.shape, 2), real, out, 0, strides)
        elif dtype.kind == "c":
            parts = np.lib.stride_tricks.as_strided(out.real, (*out.shape, 2), strides)
        else:  # parts of halves, of which NumPy knows no view
            lying = out.transpose(memory_axes(out))
            lying[...] = self._complex(draw, lying.shape, dtype, args, None)
            return out
        draw(None, None, *args, out=parts)
        return out

    # --- Whole numbers

    def integers(
        self, shape: Any = None, dtype: DTypeLike = np.int64, low: int | None = None,
        high: int | None = None, *, out: Array | None = None,
    ) -> Array:  # fmt: skip
        """`Tensor.random_(low, high)`: low <= x < high, to the dtype's largest without `high`.

        Without both, 0 to the largest number (2**digits for a floating dtype).
        """
        if dtype is _INT64 and out is None and type(shape) is tuple and type(high) is int:
            found = self._few_integers(shape, low or 0, high)
            if found is not None:
                return found
        shape, dtype, count = size_of(shape, dtype, out)
        if low is None and high is None:
            values = self._default_range(count, dtype)
        else:
            base, span = check_integers(dtype, 0 if low is None else low, high)
            if span == 1 << 64:
                values = draws.join64(self.words(2 * count)).view(np.int64)
            else:
                values = self._below(count, span)
                if base or values.itemsize == 8:
                    values = values.astype(np.int64, copy=False).view(np.int64)
                    values += np.int64(base)
        return place(values, shape, dtype, out)

    def _few_integers(self, shape: tuple[int, ...], low: int, high: int) -> Array | None:
        """The common case, int64 in a small range, soon done."""
        span, count = high - low, math.prod(shape)
        if not (0 < span < 1 << 28 and -_WIDE <= low <= _WIDE):
            return None
        values = draws.modulo(self.words(count), span).astype(_INT64)
        if low:
            values += low
        return values.reshape(shape)

    def _below(self, count: int, span: int) -> Array:
        """Words modulo `span`: of 32 bits while that is hardly uneven, then of 64."""
        if span < 1 << 28:
            return draws.modulo(self.words(count), span)
        return draws.modulo(draws.join64(self.words(2 * count)), span)

    def _default_range(self, count: int, dtype: np.dtype) -> Array:
        kind = kind_of(dtype, '"random_kernel_cpu"', *_ANY)
        if kind in _REAL:
            digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[name_of(dtype)]
            span = (1 << digits) + 1
        else:
            span = 2 if kind == "bool" else int(np.iinfo(dtype).max) + 1
        if dtype.itemsize == 8:
            return draws.modulo(draws.join64(self.words(2 * count)), span)
        return draws.modulo(self.words(count), span)

    def randint(self, low: int, high: int, shape: Any, dtype: DTypeLike = np.int64) -> Array:
        """Whole numbers with low <= x < high.

        >>> Engine(7).randint(-3, 3, (5,), np.float32).tolist()
        [0.0, 1.0, -2.0, -1.0, -2.0]
        """
        return self.integers(shape, dtype, low, high)

    def randperm(self, n: int, dtype: DTypeLike = np.int64) -> Array:
        """A random order of 0..n-1: Fisher and Yates's shuffle from the front."""
        if n < 0:
            message = f"Trying to create tensor with negative dimension {n}: [{n}]"
            raise fail(RuntimeError, message)
        if n < 2:
            return np.arange(n).astype(dtype)
        if n >= 0xFFFFFFFF // 20:
            return self._randperm_large(n).astype(dtype, copy=False)
        if n <= draws.FEW:
            few = list(range(n))
            for i, rest, word in zip(range(n), range(n, 1, -1), self.words(n - 1).tolist()):
                j = i + word % rest
                few[i], few[j] = few[j], few[i]
            return np.array(few, dtype)
        partners = np.arange(n)
        partners[:-1] += self.words(n - 1) % np.arange(n, 1, -1, dtype=np.uint32)
        return draws.swap_forward(partners).astype(dtype, copy=False)

    def _randperm_large(self, n: int) -> Array:
        """From 2**32 / 20 items: 64-bit words, and the shuffle that grows from the inside."""
        order = np.arange(n)
        for start in range(0, n, 1 << 20):
            stop = min(n, start + (1 << 20))
            count = np.arange(start + 1, stop + 1, dtype=np.uint64)
            chosen = draws.join64(self.words(2 * (stop - start))) % count
            for i, j in enumerate(chosen.tolist(), start):
                order[i] = order[j]
                order[j] = i
        return order

    # --- Choices

    def bernoulli(
        self, shape: Any = None, dtype: DTypeLike = np.float32, p: float = 0.5, *,
        out: Array | None = None,
    ) -> Array:  # fmt: skip
        """1 with probability `p`, else 0: `Tensor.bernoulli_(p)`; two words each.

        >>> Engine(0).bernoulli(6, np.int64, 0.7).tolist()
        [0, 0, 1, 0, 1, 0]
        """
        shape, dtype, count = size_of(shape, dtype, out)
        if not 0 <= p <= 1:
            raise fail(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        kind_of(dtype, '"bernoulli_scalar_cpu_"', *_ANY)
        if count <= FEW:
            return place(self.doubles(count) < p, shape, dtype, out)
        below = lambda words: draws.below64(words, p)
        return place(self.converted(count, 2, below, np.bool_), shape, dtype, out)

    def bernoulli_like(
        self, p: Array, dtype: DTypeLike | None = None, *, out: Array | None = None
    ) -> Array:
        """1 with the probability given for each place: one word each, two if `p` is float64."""
        kernel = "self" if p.dtype.kind == "c" else "p"
        kind = kind_of(p.dtype, f'"bernoulli_tensor_cpu_{kernel}_"', *_REAL)
        if p.size and not ((p >= 0) & (p <= 1)).all():
            raise fail(
                RuntimeError,
                "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error "
                "message be improved?  If so, please report an enhancement request to PyTorch.)",
                "every probability must lie in [0, 1]",
            )
        shape, dtype, count = size_of(p.shape, p.dtype if dtype is None else dtype, out)
        unit = self.doubles(count) if kind == "double" else self.singles(count)
        if out is None:
            return (unit.reshape(shape) < p).astype(dtype)
        axes = memory_axes(out)
        lying = out.transpose(axes)
        limits = np.broadcast_to(p, shape).transpose(axes)
        lying[...] = unit.reshape(lying.shape) < limits
        return out

    def dropout_noise(
        self, shape: Any, dtype: DTypeLike, p: float, *, out: Array | None = None
    ) -> Array:
        """What dropout multiplies by: 0 with probability p, else 1 / (1 - p), for 0 < p < 1.

        torch draws nothing when p is 0 or 1, or when not training.
        """
        noise = self.bernoulli(shape, dtype, 1.0 - p, out=out)
        if noise.dtype.itemsize == 2:  # a float divides, and the result is rounded
            noise[...] = noise.astype(np.float32) / np.float32(1.0 - p)
        else:
            noise /= number(1.0 - p, noise.dtype)
        return noise

    def slopes(self, x: Array, low: float, high: float) -> Array:
        """Uniform in [low, high) where x <= 0, drawn for those alone; 1 elsewhere."""
        found = np.ones(x.shape, x.dtype)
        drops = x <= 0
        found[drops] = low + self.doubles(int(drops.sum())) * (high - low)
        return found

    def geometric(
        self, shape: Any = None, dtype: DTypeLike = np.float32, p: float = 0.5, *,
        out: Array | None = None,
    ) -> Array:  # fmt: skip
        """The number of trials to the first success of probability `p`."""
        shape, dtype, count = size_of(shape, dtype, out)
        if not 0 < p < 1:
            raise fail(RuntimeError, f"geometric_ expects p to be in (0, 1), but got p={p:g}")
        kind_of(dtype, '"geometric_cpu"', *_NUMBER)
        values = np.ceil(np.log(self.doubles(count)) / math.log1p(-p))
        return place(values, shape, dtype, out)

    def multinomial(self, p: Array, num_samples: int, replacement: bool = False) -> Array:
        """Indices drawn with the weights `p` (n,) or (rows, n) -> (num_samples,) or (rows, ...).

        >>> Engine(1).multinomial(np.array([0.1, 0.0, 0.9]), 2).tolist()
        [2, 0]
        """
        check_multinomial(p, num_samples, replacement)
        if replacement and num_samples > 1:
            return self._multinomial_replaced(p, num_samples)
        check_weights(p)
        with np.errstate(divide="ignore", invalid="ignore"):
            race = p / self.exponential(p.shape, p.dtype)
        if num_samples == 1:
            return np.asarray(race.argmax(axis=-1, keepdims=True))
        return first_of_race(race, num_samples)

    def _multinomial_replaced(self, p: Array, num_samples: int) -> Array:
        """Search each uniform number in the cumulated weights of its row."""
        exact = p if p.dtype == np.float64 else p.astype(np.float32)
        weights = np.atleast_2d(exact)
        sums = along("running_sums", weights, 1)
        rows = np.cumsum(weights, axis=-1) if sums is None else sums[0]
        check_rows(weights, rows[:, -1])
        unit = self.doubles(rows.shape[0] * num_samples).reshape(-1, num_samples)
        if len(rows) > FEW_SAMPLES > num_samples:
            return below_shares(rows, unit).reshape(*p.shape[:-1], num_samples)
        rows /= rows[:, -1:].copy()
        rows[:, -1] = 1
        found = [row.searchsorted(u) for row, u in zip(rows.astype(np.float64), unit)]
        return np.reshape(found, (*p.shape[:-1], num_samples)).astype(np.int64, copy=False)

    # --- Rejection samplers: as many words as it takes

    def poisson(self, rate: Array) -> Array:
        """A Poisson number for each rate."""
        kind_of(rate.dtype, '"poisson_cpu"', *_REAL)
        if rate.size and (rate < 0).any():
            raise fail(RuntimeError, "invalid Poisson rate, expected rate to be non-negative")
        rates = rate.astype(np.float64).ravel()
        native = rejection.NATIVE.after(rate.size, "poisson")
        ready: Any = native and rejection.poisson_columns(rates)
        if ready:
            values = self.rejected(native.poisson, *ready)
        else:
            uniforms = self._each_double()
            values = np.array([rejection.poisson(x, uniforms) for x in rates.tolist()], np.float64)
        return place(values, rate.shape, rate.dtype, None)

    def binomial(self, count: Array, p: Array) -> Array:
        """The number of successes in `count` trials of probability `p`, for each place."""
        native = rejection.NATIVE.after(count.size, "binomial")
        ready = native and rejection.BinomialColumns(count.ravel(), p.ravel())
        if ready and ready.fit:
            values = ready.results(self.rejected(native.binomial, ready.columns, ready.least))
            return place(values, count.shape, count.dtype, None)
        uniforms, real = self._each_double(), count.dtype.type
        both = zip(count.ravel().tolist(), p.ravel().tolist(), strict=True)
        values = [rejection.binomial(float(n), float(q), uniforms, real) for n, q in both]
        return place(np.array(values, np.float64), count.shape, count.dtype, None)

    def standard_gamma(self, shape: Array) -> Array:
        """A gamma number of scale 1 for each shape parameter."""
        values = self._gamma(shape, shape.dtype.type)
        least = np.finfo(shape.dtype).tiny
        return place(np.maximum(values.astype(shape.dtype), least), shape.shape, shape.dtype, None)

    def dirichlet(self, concentration: Array) -> Array:
        """Weights that sum to 1 along the last axis, from gamma numbers in float64."""
        values = np.maximum(self._gamma(concentration, np.float64), np.finfo(np.float64).tiny)
        values = values.reshape(concentration.shape)
        values = (values / values.sum(-1, keepdims=True)).astype(concentration.dtype)
        one = concentration.dtype.type(1)
        return values.clip(np.finfo(values.dtype).tiny, np.nextafter(one, one - one))

    def _gamma(self, shape: Array, real: Any) -> Array:
        native = rejection.NATIVE.after(shape.size, "gamma")
        ready: Any = native and rejection.gamma_columns(shape.ravel().astype(real, copy=False))
        if ready:
            return self.rejected(native.gamma, *ready)
        uniforms = self._each_double()
        one = lambda: self.serial_normals(1).item()
        return np.array([rejection.gamma(real(a), uniforms, one, real) for a in shape.ravel()])

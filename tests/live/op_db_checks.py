"""One op of torch's database beside rushlight's: values, gradients, variants, errors."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.testing._internal import common_utils

from tests.live.op_db_bridge import Missing, find, followed, function, numpy_of, twin

MOST = 6  # samples of an op in one data type
LARGE = 40_000  # elements of a sample that is left out
SEEN = 120  # samples that are drawn to choose from
FLOATS = (torch.float64, torch.float32)
OTHERS = (torch.int64, torch.bool, torch.complex64)
NEAR = {"float64": 1e-8, "complex128": 1e-8, "float32": 3e-5, "complex64": 5e-5, "float16": 5e-3,
        "bfloat16": 3e-2, "complex32": 5e-3}  # fmt: skip
# Factors and vectors are determined up to sign or phase: what the database's own processing of the
# output leaves is compared.
UP_TO_PHASE = {
    "linalg.svd", "svd", "linalg.eig", "linalg.eigh", "svd_lowrank", "pca_lowrank", "geqrf",
}  # fmt: skip
UNFILLED = {"empty", "empty_like", "new_empty", "new_empty_strided", "empty_strided",
            "empty_permuted", "resize_", "resize_as_"}  # fmt: skip


# Which of equal values' places is named is not said by torch either: of whole numbers the values.
TIES = {"kthvalue", "mode", "sort", "topk", "median", "nanmedian"}
ORDERS = {"argsort", "linalg.eig", "linalg.eigh"}  # of which nothing is left, or not with out=
# What torch computes to fewer digits than its type holds.
LOOSE = {"special.bessel_j0": 1e-6, "special.bessel_j1": 1e-6, "special.bessel_y0": 1e-6,
         "special.bessel_y1": 1e-6, "special.airy_ai": 1e-6,
         "svd_lowrank": 1e-3, "pca_lowrank": 1e-3,
         "nn.functional.multilabel_soft_margin_loss": 1e-6,
         "nn.functional.binary_cross_entropy_with_logits": 1e-6}  # fmt: skip


class Differs(AssertionError):
    """Where the two answers part."""


class Tally:
    """Of one op: for each aspect how many samples were tried, and the first disagreements."""

    def __init__(self) -> None:
        self.tried: dict[str, int] = {}
        self.wrong: dict[str, list[str]] = {}

    def add(self, aspect: str, problem: str | None) -> None:
        self.tried[aspect] = self.tried.get(aspect, 0) + 1
        if problem is not None:
            self.wrong.setdefault(aspect, []).append(problem)

    def agreed(self) -> set[str]:
        return set(self.tried) - set(self.wrong)


def leaves(value: Any) -> list[Any]:
    """The parts of a structure, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and type(value).__name__ != "Size":
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def is_tensor(value: Any) -> bool:
    return hasattr(value, "_array") or isinstance(value, torch.Tensor)


def short(value: Any) -> str:
    """One line about a value, for reports."""
    if is_tensor(value):
        return f"<{str(value.dtype)[6:]} {list(value.shape)}>"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(short, value)) + ")"
    if isinstance(value, dict):
        return ", ".join(f"{key}={short(part)}" for key, part in value.items())
    return repr(value)[:60]


def same_numbers(found: Any, wanted: Any, filled: bool = True, least: float = 0.0) -> None:
    """Differs unless type, sizes and numbers agree."""
    if str(found.dtype) != str(wanted.dtype):
        raise Differs(f"dtype {found.dtype}, not {wanted.dtype}")
    if tuple(found.shape) != tuple(wanted.shape):
        raise Differs(f"shape {tuple(found.shape)}, not {tuple(wanted.shape)}")
    if not filled or not wanted.numel():
        return
    a, b = numpy_of(found), numpy_of(wanted)
    near = NEAR.get(str(wanted.dtype)[6:])
    if near is None:
        if not np.array_equal(a, b):
            raise Differs(f"values {a.ravel()[:4]}, not {b.ravel()[:4]}")
        return
    near = max(near, least)
    finite = b[np.isfinite(b)]
    scale = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
    close = np.isclose(a, b, rtol=near, atol=near * scale, equal_nan=True)
    if not close.all():
        at = ~close
        raise Differs(
            f"values {a[at].ravel()[:3]}, not {b[at].ravel()[:3]} ({at.sum()} of {at.size})"
        )


def same(found: Any, wanted: Any, filled: bool = True, least: float = 0.0) -> None:
    """Differs unless two answers agree part by part."""
    a, b = leaves(found), leaves(wanted)
    if len(a) != len(b):
        raise Differs(f"{len(a)} results, not {len(b)}")
    for one, other in zip(a, b):
        if is_tensor(other) != is_tensor(one):
            raise Differs(f"{type(one).__name__}, not {type(other).__name__}")
        if is_tensor(other):
            same_numbers(one, other, filled, least)
        elif isinstance(other, float):
            if not np.isclose(one, other, equal_nan=True):
                raise Differs(f"{one!r}, not {other!r}")
        elif str(one) != str(other):
            raise Differs(f"{one!r}, not {other!r}")


def compare(op: Any, found: Any, wanted: Any) -> None:
    """Differs unless the answers to an op agree in all that torch promises."""
    if op.name in ORDERS:
        return
    parts = leaves(wanted)
    if op.name in TIES and is_tensor(parts[0]) and not parts[0].is_floating_point():
        same(leaves(found)[0], parts[0])
        return
    same(found, wanted, op.name not in UNFILLED, LOOSE.get(op.name, 0.0))


def same_layout(found: Any, wanted: Any) -> None:
    """Differs unless the strides of all results agree where a dimension has a second element."""
    for one, other in zip(leaves(found), leaves(wanted)):
        if is_tensor(one) and is_tensor(other) and other.numel() and one.shape == other.shape:
            steps = [s for s, n in zip(one.stride(), one.shape) if n > 1]
            expected = [s for s, n in zip(other.stride(), other.shape) if n > 1]
            if steps != expected:
                raise Differs(f"strides {tuple(one.stride())}, not {tuple(other.stride())}")


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """The database without its bookkeeping: it walks the stack for each sample and each seed."""
    with (
        patch.object(torch, "manual_seed", torch.default_generator.manual_seed),
        patch.object(common_utils, "extract_test_fn", lambda: None),
    ):
        yield


def seed() -> None:
    """Both generators at their start (`torch.manual_seed` also walks the stack, 5 ms a call)."""
    torch.default_generator.manual_seed(0)
    sys_rl().manual_seed(0)


def answer(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """The result, or the exception."""
    seed()
    try:
        return call(), None
    except Exception as error:
        return None, error


def told(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"


def samples(op: Any, dtype: torch.dtype, with_gradient: bool) -> list[Any]:
    """A few of the op's samples, spread over all of them."""
    seed()
    random.seed(0)
    np.random.seed(0)
    drawn = []
    try:
        for sample in op.sample_inputs("cpu", dtype, requires_grad=with_gradient):
            parts = leaves([sample.input, sample.args, sample.kwargs])
            if sum(part.numel() for part in parts if isinstance(part, torch.Tensor)) <= LARGE:
                drawn.append(sample)
            if len(drawn) >= SEEN:
                break
    except Exception:
        return []
    if len(drawn) <= MOST:
        return drawn
    return [drawn[round(i * (len(drawn) - 1) / (MOST - 1))] for i in range(MOST)]


def callable_of(op: Any) -> Any:
    """rushlight's function for an op of the database, by its dotted name."""
    try:
        own = find(torch, op.name)
    except Missing:
        own = None
    return find(sys_rl(), op.name) if own is not None and own is op.op else function(op.op)


def sys_rl() -> Any:
    return function(torch)


class Beside:
    """One sample in both frameworks."""

    def __init__(self, sample: Any) -> None:
        self.torch = (sample.input, sample.args, sample.kwargs)
        self.ours = twin(self.torch)
        self.process = sample.output_process_fn_grad
        self.text = short([sample.input, *sample.args]) + " " + short(sample.kwargs)

    def both(self, op: Any, ours: Any) -> tuple[Any, Any]:
        """Answers of both; Differs if only one raises. (None, None) when torch refuses."""
        first, args, kwargs = self.torch
        wanted, refused = answer(lambda: op(first, *args, **kwargs))
        if refused is not None:
            return None, None
        start, rest, named = self.ours
        found, error = answer(lambda: ours(start, *rest, **named))
        if error is not None:
            raise Differs(told(error))
        return found, wanted


def gradients(values: Any, inputs: Any, grad: Any, make: Any) -> tuple[list[Any], Any]:
    """Gradients of the inputs that want one, for fixed cotangents."""
    follows = lambda x: followed(x) if isinstance(x, torch.Tensor) else x.requires_grad
    outputs = [y for y in leaves(values) if is_tensor(y) and y.requires_grad]
    wanted = [x for x in leaves(inputs) if is_tensor(x) and follows(x)]
    if not outputs or not wanted:
        return wanted, None
    cotangents = []
    for y in outputs:
        steps = np.arange(y.numel()).reshape(tuple(y.shape))
        numbers = np.cos(steps) + (1j * np.sin(2 * steps) if y.dtype.is_complex else 0)
        cotangents.append(make(np.asarray(numbers)).to(y.dtype))
    return wanted, grad(outputs, wanted, cotangents, allow_unused=True)


def check_gradients(found: Any, wanted: Any, pair: Beside, least: float = 0.0) -> None:
    """Differs unless both give the same gradients (none and zeros say the same)."""
    if pair.process is not None:
        try:
            found, wanted = function(pair.process)(found), pair.process(wanted)
        except Missing:
            pass
    seed()
    try:
        xs, expected = gradients(wanted, pair.torch, torch.autograd.grad, torch.from_numpy)
    except Exception:
        return
    rl = sys_rl()
    try:
        _, got = gradients(found, pair.ours, rl.autograd.grad, rl.from_numpy)
    except Exception as error:
        raise Differs(told(error)) from None
    if expected is None or got is None:
        if (expected is None) != (got is None):
            raise Differs(f"differentiable: {got is not None}, not {expected is not None}")
        return
    for x, one, other in zip(xs, got, expected):
        if one is None or other is None:
            left = one if other is None else other
            if left is not None and np.any(numpy_of(left)):
                raise Differs(f"gradient of {short(x)}: None on one side")
            continue
        same_numbers(one, other, least=least)


def check_values(op: Any, ours: Any, pair: Beside, tally: Tally, aspect: str, grad: bool) -> None:
    """Values, layout and gradient of one sample."""
    found, wanted = None, None
    try:
        found, wanted = pair.both(op, ours)
        if wanted is None and found is None:
            return
        a, b = found, wanted
        if op.name in UP_TO_PHASE:
            a, b = function(pair.process)(a), pair.process(b)
        compare(op, a, b)
        tally.add(aspect, None)
    except (Differs, Missing, Exception) as error:
        tally.add(aspect, f"{pair.text}: {_reason(error)}")
        if grad:
            tally.add("gradient", "no value")
        return
    if aspect == "value" and op.name not in UP_TO_PHASE:
        tally.add("layout", _problem(lambda: same_layout(found, wanted), pair))
    if grad:
        tally.add("node", _problem(lambda: same_nodes(found, wanted), pair))
        tally.add(
            "gradient",
            _problem(lambda: check_gradients(found, wanted, pair, LOOSE.get(op.name, 0.0)), pair),
        )


def same_nodes(found: Any, wanted: Any) -> None:
    """Differs unless the same results are recorded, under the same names."""
    for one, other in zip(leaves(found), leaves(wanted)):
        if is_tensor(one) and is_tensor(other):
            names = [
                x.grad_fn.name() if x.grad_fn is not None else str(x.requires_grad)
                for x in (one, other)
            ]
            if names[0] != names[1]:
                raise Differs(f"{names[0]}, not {names[1]}")


def _problem(call: Callable[[], Any], pair: Beside) -> str | None:
    try:
        call()
    except Exception as error:
        return f"{pair.text}: {_reason(error)}"
    return None


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, Differs) else told(error)


def _detached(sample: Any) -> Any:
    def plain(value: Any) -> Any:
        return value.detach().clone() if isinstance(value, torch.Tensor) else value

    return sample.transform(plain)


def check_variant(op: Any, theirs: Any, sample: Any, tally: Tally, aspect: str) -> None:
    """The method or the in-place twin; the latter must also return the tensor itself."""
    clean = _detached(sample)
    try:
        pair = Beside(clean)
        if not is_tensor(pair.ours[0]):
            return
        ours = function(theirs)
        found, wanted = pair.both(theirs, ours)
        if wanted is None and found is None:
            return
        if aspect == "in-place" and (found is pair.ours[0]) != (wanted is pair.torch[0]):
            raise Differs("does not return the tensor itself")
        if op.name in UP_TO_PHASE:
            found, wanted = function(pair.process)(found), pair.process(wanted)
        compare(op, found, wanted)
        tally.add(aspect, None)
    except (Differs, Missing, Exception) as error:
        tally.add(aspect, f"{short([clean.input, *clean.args])}: {_reason(error)}")


def check_out(op: Any, ours: Any, sample: Any, tally: Tally) -> None:
    """`out=`: written into the given tensor, which is returned."""
    clean = _detached(sample)
    first, args, kwargs = clean.input, clean.args, clean.kwargs
    expected, refused = answer(lambda: op(first, *args, **kwargs))
    if refused is not None or "out" in kwargs:
        return
    if not all(isinstance(y, torch.Tensor) for y in leaves(expected)):
        return
    many = isinstance(expected, (tuple, list))
    blank = [torch.zeros_like(y) for y in leaves(expected)]
    into = tuple(blank) if many else blank[0]
    _, refused = answer(lambda: op(first, *args, **kwargs, out=into))
    if refused is not None:
        return
    try:
        start, rest, named, target = twin(
            (first, args, kwargs, tuple(map(torch.zeros_like, blank)))
        )
        given = target if many else target[0]
        found, error = answer(lambda: ours(start, *rest, **named, out=given))
        if error is not None:
            raise Differs(told(error))
        compare(op, given, into)
        if not many and found is not given:
            raise Differs("does not return out")
        tally.add("out", None)
    except (Differs, Missing, Exception) as error:
        tally.add("out", f"{short([first, *args])} {short(kwargs)}: {_reason(error)}")


def error_cases(op: Any) -> Iterator[tuple[Beside | None, str]]:
    """Bad calls from the database with what torch says to each."""
    seed()
    try:
        cases = list(op.error_inputs("cpu"))
    except Exception:
        return
    for case in cases:
        sample = case.sample_input
        _, refused = answer(lambda s=sample: op(s.input, *s.args, **s.kwargs))
        if refused is None:
            continue
        try:
            yield Beside(sample), told(refused)
        except Missing as error:
            yield None, f"{told(refused)} ({error} missing)"


def check_errors(op: Any, ours: Any, tally: Tally) -> None:
    """The type and first line of every error."""
    for pair, wanted in error_cases(op):
        if pair is None:
            tally.add("errors", wanted)
            continue
        start, rest, named = pair.ours
        _, error = answer(lambda s=start, r=rest, n=named: ours(s, *r, **n))
        said = "nothing" if error is None else told_as(error, wanted)
        tally.add("errors", None if said == wanted else f"{pair.text}: {said!r}, not {wanted!r}")


def told_as(error: BaseException, wanted: str) -> str:
    """What was raised, under torch's type name when ours is a subclass of it."""
    name = wanted.partition(":")[0]
    names = {kind.__name__ for kind in type(error).__mro__}
    text = told(error)
    return f"{name}:{text.partition(':')[2]}" if name in names else text


def check(op: Any, step: int = 1) -> Tally:
    """Everything about one op, on each of its samples or on each `step`-th."""
    tally = Tally()
    torch.set_num_threads(1)
    with warnings.catch_warnings(), quick():
        warnings.simplefilter("ignore")
        try:
            ours = callable_of(op)
        except Missing as error:
            tally.add("value", f"missing: {error}")
            return tally
        supported = op.supported_dtypes("cpu")
        for dtype in (*FLOATS, *OTHERS):
            if dtype in supported:
                _check_dtype(op, ours, dtype, tally, step)
        check_errors(op, ours, tally)
    return tally


def _check_dtype(op: Any, ours: Any, dtype: torch.dtype, tally: Tally, step: int) -> None:
    aspect = "value" if dtype in FLOATS else str(dtype)[6:]
    smooth = op.supports_autograd and dtype in (torch.float64, torch.complex64)
    smooth = smooth and (dtype is torch.float64 or dtype in op.supported_backward_dtypes("cpu"))
    drawn = samples(op, dtype, smooth)[::step]
    for sample in drawn:
        try:
            pair = Beside(sample)
        except Missing as error:
            tally.add(aspect, f"{error} missing")
            continue
        check_values(op, ours, pair, tally, aspect, smooth)
    if dtype not in (torch.float64, torch.int64):
        return
    for sample in drawn[:: max(1, len(drawn) // 3)]:
        method, inplace = op.method_variant, op.inplace_variant
        if method is not None:
            check_variant(op, method, sample, tally, "method")
        if inplace is not None:
            check_variant(op, inplace, sample, tally, "in-place")
        if op.supports_out and not op.name.startswith("nn."):  # there `out` is no public argument
            check_out(op, ours, sample, tally)

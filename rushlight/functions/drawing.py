"""Random numbers: generators with torch's streams, and the functions that draw new tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.batched_draws import DEFAULT, drawing_for_batch, target
from ..autograd.levels import STACK
from ..core import dtypes, elsewhere
from ..core.dispatch import named, not_implemented, scalar_type_name
from ..core.errors import fail
from ..core.inplace import is_value, memory
from ..core.memory import dense_like
from ..core.overrides import kin
from ..core.random_engine import Engine
from ..core.shapes import broadcast
from ..core.state import DEFAULTS, STATE
from ..core.tape import mark_written
from ..core.tensor import Tensor, wrap
from ..ops import elementwise as e
from ..ops import noise
from ..ops import structure as s
from .arguments import combination, misfit, sizes_of, whole
from .from_data import finish, kind_for, make_leaf
from .reduction import put

__all__ = [
    "Generator", "bernoulli", "binomial", "default_generator", "get_rng_state", "initial_seed",
    "manual_seed", "multinomial", "normal", "poisson", "rand", "rand_like", "randint",
    "randint_like", "randn", "randn_like", "randperm", "seed", "set_rng_state",
]  # fmt: skip


def opened(generator: Generator) -> Engine:
    """The engine of a generator whose state is read or set, which no program repeats."""
    if STATE.tracer is not None:
        STATE.tracer.stop("setting or reading the random state")
    if STATE.follower is not None:  # what was noted draws first
        STATE.follower.stop("setting or reading the random state")
    return generator._engine


class Generator:
    """A stream of random numbers; the same seed gives torch's numbers, one for one.

    Source: https://pytorch.org/docs/stable/generated/torch.Generator.html

    >>> import rushlight as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> torch.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    __slots__ = ("__weakref__", "_engine")

    def __init__(self, device: Any = "cpu") -> None:
        dtypes.require_cpu(device)
        self._engine = Engine()
        opened(self)

    @property
    def device(self) -> dtypes.device:
        """Where it draws: the CPU."""
        return dtypes.CPU

    def manual_seed(self, seed: int) -> Generator:
        """Start again from a seed, and return the generator itself."""
        if not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        opened(self).manual_seed(int(seed))
        return self

    def seed(self) -> int:
        """Start again from a number of the operating system's, and return it."""
        return opened(self).seed()

    def initial_seed(self) -> int:
        """The seed it last started from."""
        return opened(self).initial_seed()

    def get_state(self) -> Tensor:
        """Where it stands, as the 5056 bytes that torch keeps."""
        return wrap(opened(self).get_state())

    def set_state(self, state: Tensor) -> Generator:
        """Continue from a state that `get_state` gave (here or in torch)."""
        if not isinstance(state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(state).__name__}")
        opened(self).set_state(state._array)
        return self

    def clone_state(self) -> Generator:
        """A second generator that continues from here."""
        twin = Generator()
        twin._engine = opened(self).clone()
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Generator:
        return self.clone_state()

    def __reduce__(self):
        return _restored, (opened(self).get_state(),)

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"


def _restored(state: np.ndarray) -> Generator:
    return Generator().set_state(wrap(state))


default_generator = Generator.__new__(Generator)  # this module may load while a call is traced
default_generator._engine = Engine()
DEFAULT[:] = [default_generator]


def engine_of(generator: Generator | None) -> Engine:
    """The engine behind a generator, the default one for None; a trace notes what it draws."""
    engine = (default_generator if generator is None else generator)._engine
    if STATE.tracer is not None:
        engine = STATE.tracer.engine(engine)
    return drawing_for_batch(engine) if STACK.levels else engine


def manual_seed(seed: int) -> Generator:
    """Start the default generator again from a seed.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Start the default generator from a number of the operating system's, and return it.

    >>> import rushlight as torch
    >>> state = torch.get_rng_state()
    >>> torch.seed() == torch.initial_seed()
    True
    >>> torch.set_rng_state(state)
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator last started from.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(7)
    >>> torch.initial_seed()
    7
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Where the default generator stands, as a tensor of bytes.

    >>> import rushlight as torch
    >>> state = torch.get_rng_state()
    >>> first = torch.rand(2)
    >>> _ = torch.set_rng_state(state)
    >>> torch.equal(torch.rand(2), first)
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state that `get_rng_state` gave.

    >>> import rushlight as torch
    >>> state = torch.get_rng_state()
    >>> x = torch.rand(3)
    >>> torch.set_rng_state(state)
    >>> bool((torch.rand(3) == x).all())
    True
    """
    default_generator.set_state(new_state)


# --- New tensors


def _draw(name: str, method: str, args: tuple[Any, ...], shape: tuple[int, ...], dtype: Any,
          generator: Any, out: Any, requires_grad: bool, blank: bool) -> Tensor:  # fmt: skip
    """One call of the engine, into a new tensor or into `out`."""
    if generator is not None and not isinstance(generator, Generator):
        raise combination(name, shape, {"generator": generator})
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise combination(name, shape, {"dtype": dtype})
    if blank:
        return elsewhere.finished(shape, (dtype or DEFAULTS.dtype).numpy, requires_grad, out)
    draw = getattr(engine_of(generator), method)
    if out is not None:
        return _draw_out(draw, args, shape, dtype, out)
    result = wrap(draw(shape, (dtype or DEFAULTS.dtype).numpy, *args))
    if requires_grad:
        make_leaf(result)
    return result


def _draw_out(draw: Any, args: tuple[Any, ...], shape: Any, dtype: Any, out: Tensor) -> Tensor:
    if dtype is not None and dtype is not out.dtype:
        raise fail(
            RuntimeError,
            f"dtype {scalar_type_name(dtype)} does not match dtype of out parameter"
            f" ({scalar_type_name(out.dtype)})",
        )
    if out._array.shape != shape:
        out._array = np.empty(shape, out._array.dtype)
    draw(None, None, *args, out=memory(out))
    mark_written(out._array)
    return out


def rand(*args: Any, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None,
         layout: Any = None, device: Any = None, requires_grad: bool = False,
         pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1).

    Arguments: the sizes, as numbers or as one tuple; `generator` (None: the default one).
    Source: https://pytorch.org/docs/stable/generated/torch.rand.html

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.rand(3)
    tensor([0.4963, 0.7682, 0.0885])
    """
    blank = elsewhere.absent(device, layout)
    shape = sizes_of("rand", args, size)
    return _draw("rand", "uniform", (), shape, dtype, generator, out, requires_grad, blank)


def randn(*args: Any, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None,
          layout: Any = None, device: Any = None, requires_grad: bool = False,
          pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Standard normal numbers: mean 0, variance 1.

    Arguments: the sizes, as numbers or as one tuple; `generator` (None: the default one).
    Source: https://pytorch.org/docs/stable/generated/torch.randn.html

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.randn(3)
    tensor([ 1.5410, -0.2934, -2.1788])
    """
    blank = elsewhere.absent(device, layout)
    shape = sizes_of("randn", args, size)
    return _draw("randn", "normal", (), shape, dtype, generator, out, requires_grad, blank)


def _draw_like(name: str, method: str, args: tuple[Any, ...], input: Any, dtype: Any,
               generator: Any, requires_grad: bool, where: Any) -> Tensor:  # fmt: skip
    """A draw shaped and laid out as `input`: torch fills the memory in its own order."""
    if not isinstance(input, Tensor):
        raise misfit(name, "input", 1, "Tensor", input)
    a, kind = input._array, None if dtype is None else dtype.numpy
    if elsewhere.absent(where[0] or input.device, where[1]):
        return elsewhere.alike(input, kind, requires_grad)
    engine = engine_of(generator)
    out = target(a, engine, kind) if is_value(input) else dense_like(a, kind)
    result = wrap(getattr(engine, method)(None, None, *args, out=out))
    if requires_grad:
        make_leaf(result)
    return kin(result, input)


def rand_like(input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None,
              device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
              memory_format: Any = None) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1), shaped and typed as `input`.

    >>> import rushlight as torch
    >>> torch.rand_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    return _draw_like(
        "rand_like", "uniform", (), input, dtype, generator, requires_grad, (device, layout)
    )


def randn_like(input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None,
               device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
               memory_format: Any = None) -> Tensor:  # fmt: skip
    """Standard normal numbers, shaped and typed as `input`.

    >>> import rushlight as torch
    >>> torch.randn_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    where = device, layout
    return _draw_like("randn_like", "normal", (), input, dtype, generator, requires_grad, where)


def _bounds(name: str, args: tuple[Any, ...], low: Any, high: Any) -> tuple[int, int]:
    """`(high)` or `(low, high)`, by position or by name."""
    if low is None and high is None and len(args) == 2 and type(args[0]) is type(args[1]) is int:
        return args[0], args[1]
    values = [*args]
    if low is not None:
        values.insert(0, low)
    if high is not None:
        values.append(high)
    if len(values) not in (1, 2):
        raise combination(name, args, {})
    names = ("high",) if len(values) == 1 else ("low", "high")
    bounds = [whole(name, names[i], i + 1, value) for i, value in enumerate(values)]
    return (0, bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])


def randint(*args: Any, low: Any = None, high: Any = None, size: Any = None, generator: Any = None,
            out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Whole numbers with low <= x < high: `randint(high, size)` or `randint(low, high, size)`.

    Raises RuntimeError when no number lies between the bounds.
    Source: https://pytorch.org/docs/stable/generated/torch.randint.html

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(42); torch.randint(0, 10, (4,))
    tensor([2, 7, 6, 4])
    """
    blank = elsewhere.absent(device, layout)
    if size is None:
        given = len(args) + (low is not None) + (high is not None)
        if given < 2:
            raise combination("randint", args, {})
        args, size = args[:-1], args[-1]
        if not isinstance(size, (tuple, list)):
            raise misfit("randint", "size", given, "tuple of ints", size)
    bounds = _bounds("randint", args, low, high)
    if dtype is None and out is None:
        dtype = dtypes.int64
    shape = sizes_of("randint", (), size)
    return _draw("randint", "integers", bounds, shape, dtype, generator, out, requires_grad, blank)


def randint_like(input: Tensor, *args: Any, low: Any = None, high: Any = None,
                 generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
                 requires_grad: bool = False, pin_memory: bool = False,
                 memory_format: Any = None) -> Tensor:  # fmt: skip
    """Whole numbers with low <= x < high, shaped and typed as `input`.

    >>> import rushlight as torch
    >>> torch.randint_like(torch.zeros(2, 3), 10).shape
    torch.Size([2, 3])
    """
    bounds = _bounds("randint_like", args, low, high)
    return _draw_like(
        "randint_like", "integers", bounds, input, dtype, generator, requires_grad, (device, layout)
    )


def randperm(n: int, *, generator: Any = None, out: Any = None, dtype: Any = None,
             layout: Any = None, device: Any = None, requires_grad: bool = False,
             pin_memory: bool = False) -> Tensor:  # fmt: skip
    """The numbers 0 to n - 1 in random order.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.randperm(5)
    tensor([4, 0, 1, 3, 2])
    """
    blank = elsewhere.absent(device, layout)
    n = whole("randperm", "n", 1, n)
    kind = dtypes.OF_NUMPY[kind_for(out, dtype, dtypes.int64, "randperm")]
    if kind.category not in (dtypes.INTEGER, dtypes.FLOAT):
        raise not_implemented("randperm", kind)
    small = kind is not dtypes.int64 and kind.category == dtypes.INTEGER
    if small and n - 1 > np.iinfo(kind.numpy).max:
        raise RuntimeError(f"value cannot be converted to type {kind.name}_t without overflow")
    last = {"float16": 2049, "float32": 2**24 + 1}.get(kind.name, n)  # beyond, numbers are left out
    if n > last:
        raise RuntimeError(f"n cannot be greater than {last} for {scalar_type_name(kind)} type.")
    if blank:
        return elsewhere.finished((n,), kind.numpy, requires_grad, out)
    return finish(engine_of(generator).randperm(n, kind.numpy), requires_grad, out)


# --- Draws with parameters in tensors


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None,
           out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
           requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Normal numbers, with a mean and a standard deviation for each (tensors) or for all.

    Shapes: `normal(0.0, 1.0, (2, 3))` for numbers; tensors broadcast together.
    Raises RuntimeError for a negative standard deviation.
    Source: https://pytorch.org/docs/stable/generated/torch.normal.html

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.normal(0, 1, (2,))
    tensor([ 1.5410, -0.2934])
    """
    blank = elsewhere.absent(device, layout)
    if not (isinstance(mean, Tensor) or isinstance(std, Tensor)):
        if not isinstance(size, (tuple, list)):
            given = (mean, std) if size is None else (mean, std, size)
            raise combination("normal", given, {})
        args = (float(mean), float(std))
        shape = sizes_of("normal", (), size)
        return _draw("normal", "normal", args, shape, dtype, generator, out, requires_grad, blank)
    return put(_normal_around(mean, std, generator), out)


def _normal_around(mean: Any, std: Any, generator: Any) -> Tensor:
    """Normal numbers of which at least one parameter is a tensor; gradients pass to the mean."""
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if tensors[0].dtype.category < dtypes.FLOAT:
        kind = scalar_type_name(tensors[0].dtype)
        raise NotImplementedError(f"\"normal_kernel_cpu\" not implemented for '{kind}'")
    broadcast(*(x._array.shape for x in tensors))
    raw = [x._array if isinstance(x, Tensor) else x for x in (mean, std)]
    values = engine_of(generator).normal_like(*raw)
    values = values if isinstance(values, np.ndarray) else np.asarray(values)
    node = f"NormalBackward{3 if len(tensors) > 1 else 1 + (tensors[0] is std)}"
    wide = [s.expand(x, values.shape) for x in tensors if x.requires_grad]
    if not wide:
        return wrap(values)
    both = wide[0] if len(wide) == 1 else e.add(*wide)
    return named(noise.normal_around(both, values), node)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None,
              out: Any = None) -> Tensor:  # fmt: skip
    """1 with the probability that stands in each place of `input` (or with `p`), else 0.

    Raises RuntimeError for what is no probability.
    Source: https://pytorch.org/docs/stable/generated/torch.bernoulli.html

    >>> import rushlight as torch
    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if not isinstance(input, Tensor):
        raise misfit("bernoulli", "input", 1, "Tensor", input)
    engine, a = engine_of(generator), input._array
    if p is not None:
        return put(wrap(engine.bernoulli(a.shape, a.dtype, float(p))), out)
    values = engine.bernoulli_like(a, None)
    drawn = noise.bernoulli_by(input, values)
    return put(drawn if out is None else s.cast(drawn, out.dtype), out)


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *,
                generator: Any = None, out: Any = None) -> Tensor:  # fmt: skip
    """Indices drawn with the weights in `input`, which need not sum to 1.

    Shapes: (n,) gives (num_samples,); (rows, n) gives (rows, num_samples).
    Raises RuntimeError for weights that are negative, not finite or all zero.
    Source: https://pytorch.org/docs/stable/generated/torch.multinomial.html

    >>> import rushlight as torch
    >>> torch.multinomial(torch.tensor([0.0, 3.0, 0.0]), 1)
    tensor([1])
    """
    if not isinstance(input, Tensor):
        raise misfit("multinomial", "input", 1, "Tensor", input)
    count = whole("multinomial", "num_samples", 2, num_samples)
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(
            f"multinomial expects Long tensor out, got: {scalar_type_name(out.dtype)}"
        )
    return put(wrap(engine_of(generator).multinomial(input._array, count, replacement)), out)


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """A Poisson number for each rate in `input`.

    >>> import rushlight as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])
    """
    if not isinstance(input, Tensor):
        raise misfit("poisson", "input", 1, "Tensor", input)
    return noise.poisson_by(input, engine_of(generator).poisson(input._array))


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """The number of successes in `count` trials of probability `prob`, broadcast together."""
    for label, x in (("count", count), ("prob", prob)):
        if not isinstance(x, Tensor):
            raise misfit("binomial", label, 1 + (x is prob), "Tensor", x)
        if x.dtype.category < dtypes.FLOAT:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {label}, got:"
                f" {scalar_type_name(x.dtype)}"
            )
    shape = broadcast(count._array.shape, prob._array.shape)
    arrays = (np.broadcast_to(x._array, shape) for x in (count, prob))
    return wrap(engine_of(generator).binomial(*arrays))

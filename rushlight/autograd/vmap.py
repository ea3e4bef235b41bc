"""`vmap`: a function of one sample as a function of a batch of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import fail
from ..core.shapes import dimension
from ..core.tensor import Tensor, wrap
from ..core.trees import TreeSpec, broadcast, flatten, unflatten
from ..ops.structure import expand, join, narrow, permute
from . import batching_places, batching_products, batching_sequences, batching_shapes, writing
from .batched import Batched
from .batched_draws import start_of_chunk
from .levels import Level, entered
from .transforms import name_of, wraps

Function = Callable[..., Any]
RANDOMNESS = ("error", "different", "same")
# How a call is made by whoever has taken it over: `rushlight._functorch.vmap`, once it is loaded,
# has steps under torch's names, which libraries replace by ones that know their containers.
TAKEN_OVER: list[Function] = []
assert batching_places and batching_products and batching_sequences and batching_shapes and writing


def check_randomness(randomness: Any) -> None:
    """torch's error for an unknown treatment of draws."""
    if randomness not in RANDOMNESS:
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got"
            f" {randomness}"
        )


def vmap(
    func: Function, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Function:  # fmt: skip
    """A function that runs `func` on every sample of a batch at once.

    `in_dims` says which dimension of each input (a tree of them, or one for all; None: the same for
    all samples) runs over the samples, `out_dims` where it goes in the outputs. `randomness` is
    "error", "same" or "different" draws per sample. `chunk_size` samples are done at a time.
    Source: https://pytorch.org/docs/stable/generated/torch.func.vmap.html

    >>> import rushlight as torch
    >>> torch.vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
    tensor([3., 3.])
    """
    check_randomness(randomness)
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    def batched(*args: Any, **kwargs: Any) -> Any:
        return vmapped(func, in_dims, out_dims, randomness, chunk_size, args, kwargs)

    return wraps(func, batched)


def vmapped(
    func: Function, in_dims: Any, out_dims: Any, randomness: str, chunk_size: int | None,
    args: tuple[Any, ...], kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """One call of a function batched by `vmap`; arguments by name are the same for all samples."""
    if TAKEN_OVER:
        return TAKEN_OVER[0](func, in_dims, out_dims, randomness, chunk_size, *args, **kwargs)
    leaves, dims, spec = inputs_of(func, in_dims, args)
    size = size_of(leaves, dims)

    def run(part: list[Any], length: int) -> tuple[list[Tensor], list[Any], TreeSpec]:
        with entered("vmap", length, randomness) as level:
            made = [batch(level, x, dim) for x, dim in zip(part, dims)]
            result = func(*unflatten(made, spec), **kwargs)
            outputs, out_spec = flatten(result)
            places = places_of(func, out_dims, result, out_spec)
            name = name_of(func)
            found = [
                unbatch(level, y, place, name) for y, place in zip(outputs, places, strict=True)
            ]
        return found, places, out_spec

    if chunk_size is None or size <= chunk_size:
        found, _, out_spec = run(leaves, size)
        return unflatten(found, out_spec)
    return _in_chunks(run, leaves, dims, size, chunk_size, start_of_chunk(randomness))


def _in_chunks(
    run: Any, leaves: list[Any], dims: list[Any], size: int, chunk: int, start_draws: Any
) -> Any:
    columns: list[Any] = []
    places: list[Any] = []
    spec: Any = None
    for start in range(0, size, chunk):
        length = min(chunk, size - start)
        part = [
            x if dim is None else narrow(x, dimension(dim, x._array.ndim), start, length)
            for x, dim in zip(leaves, dims)
        ]
        start_draws()
        found, places, spec = run(part, length)
        columns.append(found)
    joined = []
    for column, place in zip(zip(*columns), places):
        if place is None:
            joined.append(column[0])
            continue
        dim = dimension(place, column[0]._array.ndim)
        joined.append(join(column, dim, tuple(one._array.shape[dim] for one in column)))
    return unflatten(joined, spec)


def inputs_of(func: Function, in_dims: Any, args: Any) -> tuple[list[Any], list[Any], TreeSpec]:
    """The leaves of the arguments, the mapped dimension of each, and how to put them together."""
    name = name_of(func)
    where = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{where}: expected `in_dims` to be int or a (potentially nested) tuple matching the"
            f" structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are"
            " trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, spec = flatten(args)
    dims = broadcast(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{where}: in_dims is not compatible with the structure of `inputs`. in_dims has"
            f" structure {flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    return leaves, [_checked_dim(x, dim, where) for x, dim in zip(leaves, dims)], spec


def _checked_dim(x: Any, dim: Any, where: str) -> Any:
    if dim is not None and not isinstance(dim, int):
        raise ValueError(
            f"{where}: Got in_dim={dim} for an input but in_dim must be either an integer"
            " dimension or None."
        )
    if dim is None:
        return None
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{where}: Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot"
            " vmap over non-Tensor arguments, please use None as the respective in_dim"
        )
    ndim = x._array.ndim
    if not -ndim <= dim < ndim:
        raise ValueError(
            f"{where}: Got in_dim={dim} for some input, but that input is a Tensor of"
            f" dimensionality {ndim} so expected in_dim to satisfy -{ndim} <= in_dim < {ndim}."
        )
    return dim


def size_of(leaves: list[Any], dims: list[Any]) -> int:
    """How many samples there are. Raises: ValueError where tensors disagree, or none is mapped."""
    sizes = [x._array.shape[dim] for x, dim in zip(leaves, dims) if dim is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise fail(
            ValueError,
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes"
            f" {sizes} for the mapped dimension",
        )
    return sizes[0]


def first(x: Tensor, dim: int) -> Tensor:
    """The tensor with one dimension moved to the front."""
    ndim = x._array.ndim
    dim = dimension(dim, ndim)
    return x if not dim else permute(x, (dim, *(i for i in range(ndim) if i != dim)))


def batch(level: Level, x: Any, dim: Any) -> Any:
    """A tensor as one of the samples along `dim`; what is the same for all as it is."""
    return x if dim is None else wrap(Batched(level, first(x, dim)))


def places_of(func: Function, out_dims: Any, result: Any, spec: TreeSpec) -> list[Any]:
    """Where each output has its samples. Raises: ValueError for what does not fit the outputs."""
    name = name_of(func)
    given = flatten(out_dims)[0]
    if not all(one is None or isinstance(one, int) for one in given):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python"
            " collection of ints representing where in the outputs the vmapped dimension should"
            " appear."
        )
    single = isinstance(result, Tensor) and isinstance(out_dims, tuple) and len(out_dims) == 1
    dims = [out_dims[0]] if single else broadcast(out_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with"
            f" the structure of `outputs`. out_dims has structure {flatten(out_dims)[1]} but"
            f" outputs has structure {spec}."
        )
    return dims


def unbatch(level: Level, y: Any, place: Any, name: str) -> Any:
    """An output of the function `name` with its samples along `place`."""
    if not isinstance(y, Tensor):
        if place is None:
            return y
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(y)}. Did you"
            " mean to set out_dims= to None for output?"
        )
    value = y._array
    ours = type(value) is Batched and value.level is level
    if place is None:
        if ours:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return y
    inner = value.inner if ours else expand(y, (level.size, *value.shape))
    ndim = inner._array.ndim
    place = dimension(place, ndim)
    if not place:
        return inner
    order = [*range(1, ndim)]
    order.insert(place, 0)
    return permute(inner, tuple(order))

"""`backward` and `grad`: torch's two entrances to reverse mode, with its checks and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import elsewhere
from ..core.cuts import cuts
from ..core.dispatch import OUTPUT_OF
from ..core.errors import fail, warn_once
from ..core.modes import Late as Modes
from ..core.modes import listening
from ..core.state import STATE
from ..core.tape import LEAF, ORDER, PARENTS, PRIM, SHAPE, nothing
from ..core.tensor import Tensor, wrap
from ..core.values import Value, made, shown
from .batched import Batched, whole_batch
from .engine import RUNNING, Sweep, accumulate_leaves, sweep, sweep_plain
from .leaves import accumulate, through_hooks
from .levels import entered


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Tensor) or value is None:
        return (value,)
    if hasattr(value, "ownership_token"):  # a graph.GradientEdge, which is a tuple itself
        return (_of_edge(value),)
    return tuple(
        x if isinstance(x, Tensor) or not hasattr(x, "ownership_token") else _of_edge(x)
        for x in value
    )


def _of_edge(edge: Any) -> Tensor:
    """The tensor whose gradient arrives along an edge, or a stand-in once it has a new history."""
    owner, node = edge.ownership_token, edge.node
    if hasattr(type(node), "variable"):  # a leaf's
        return node.variable
    entry = None if owner is None else owner._entry
    if type(entry) is list:
        entry = entry[PARENTS][0] if entry[PRIM] is OUTPUT_OF else entry
    if owner is not None and entry is node.entry:
        return owner
    if edge.output_nr or not all(isinstance(n, int) for n in node.entry[SHAPE]):
        raise fail(
            RuntimeError, "an edge without its tensor stands for the only output of its node",
            "make it by torch.autograd.graph.get_gradient_edge, and before writes in place",
        )  # fmt: skip
    kind = np.dtype(np.float32) if owner is None else owner._array.dtype
    return wrap(nothing(tuple(node.entry[SHAPE]), kind), node.entry)


def _seed(tensor: Tensor, gradient: Any, create: bool) -> Any:
    """The gradient to start from: ones for a scalar, else the caller's, checked."""
    array = tensor._array
    if gradient is None:
        if array.size != 1:
            raise fail(
                RuntimeError,
                "grad can be implicitly created only for scalar outputs",
                f"the output has shape {tuple(array.shape)}: reduce it with .sum() or .mean(), or"
                " pass gradient=",
            )
        if array.dtype.kind == "c":
            raise RuntimeError(
                "grad can be implicitly created only for real scalar outputs but got"
                f" {tensor.dtype!r}"
            )
        if getattr(array, "absent", False):
            return elsewhere.finished(array.shape, array.dtype)
        if listening() or getattr(type(array), "shell", False):
            return Modes.seed(tensor)
        return wrap(made(np.ones(array.shape, array.dtype)))
    if not isinstance(gradient, Tensor):
        raise TypeError(
            "gradients can be either Tensors, numbers, or None, but got " + type(gradient).__name__
        )
    if gradient._array.shape != array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {gradient.shape} and output[0] has a"
            f" shape of {tensor.shape}."
        )
    if gradient.dtype is not tensor.dtype:
        gradient = wrap(gradient._array.astype(array.dtype), None)
    return gradient if create or gradient._entry is None else wrap(gradient._array)


def _roots(tensors: tuple[Any, ...], gradients: Any, create: bool) -> list[tuple[Tensor, Any]]:
    given = _as_tuple(gradients) if gradients is not None else (None,) * len(tensors)
    if len(given) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(given)} gradients")
    seeds = [
        (tensor, None if tensor._entry is None and g is None else _seed(tensor, g, create))
        for tensor, g in zip(tensors, given)
    ]
    for place, (tensor, _) in enumerate(seeds):
        if tensor._entry is None:
            raise fail(
                RuntimeError,
                f"element {place} of tensors does not require grad and does not have a grad_fn",
                "no input of this computation had requires_grad=True, or the chain was cut by"
                " detach(), .data, torch.no_grad(), .numpy() or an integer cast",
                *_last_cut(),
            )
    return seeds


def _last_cut() -> list[str]:
    """Where this thread last kept a chain from being recorded."""
    return [f"the last {cut.what} was at {cut.line}" for cut in cuts()[:1]]


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradient of `tensors` with respect to every leaf to the leaf's `.grad`.

    Args: `tensors` to differentiate, `grad_tensors` their gradients (needed unless scalar),
    `retain_graph` keeps saved arrays for another call, `create_graph` records the backward pass
    itself, `inputs` limits the accumulation to these tensors.
    Raises RuntimeError for non-scalar outputs without gradient or without history.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.backward.html

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    if STATE.transforms:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use"
            " functorch.grad or functorch.vjp instead or call backward() outside of functorch"
            " transforms."
        )
    if create_graph:
        _warn_of_cycle()
    keep = create_graph if retain_graph is None else retain_graph
    gradients = grad_tensors if grad_tensors is not None else grad_variables
    roots = _roots(_as_tuple(tensors), gradients, create_graph)
    if inputs is None:
        accumulate_leaves(sweep(roots, None, keep, create_graph), None, create_graph)
        return
    targets = _as_tuple(inputs)
    if not targets:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if any(x._entry is None for x in map(_carrier, targets)):
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    pass_ = sweep(roots, targets, keep, create_graph)
    for x in targets:
        if type(x._entry) is list and x._entry[ORDER] in pass_.captured:
            accumulate(x, pass_.captured[x._entry[ORDER]], create_graph)
    accumulate_leaves(pass_, {id(x) for x in targets}, create_graph)


def _warn_of_cycle() -> None:
    """Once, as torch: a `.grad` with history holds its parameter, which holds its `.grad`."""
    warn_once(
        "Using backward() with create_graph=True will create a reference cycle between the"
        " parameter and its gradient which can cause a memory leak. We recommend using"
        " autograd.grad when creating the graph to avoid this. If you have to use this function,"
        " make sure to reset the .grad fields of your parameters to None after use to break the"
        " cycle and avoid the leak."
    )


def is_checkpoint_valid() -> bool:
    """Whether a backward pass inside the running one may add to all leaves: not within `grad`.

    >>> import rushlight as torch
    >>> torch.autograd._is_checkpoint_valid()
    True
    """
    outer = RUNNING.pass_() if RUNNING.depth and RUNNING.pass_ is not None else None
    return outer is None or not outer.limited


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`, leaving `.grad` alone.

    Raises RuntimeError for an input that the outputs do not depend on, unless `allow_unused` (None
    in its place) or `materialize_grads` (zeros).
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.grad.html

    >>> import rushlight as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x ** 3, x)
    (tensor(27.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got:"
            " allow_unused=False."
        )
    if is_grads_batched:
        return _batched(outputs, inputs, grad_outputs, create_graph, allow_unused)
    given = _as_tuple(inputs)
    if not given:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    targets = tuple(map(_carrier, given))
    keep = create_graph if retain_graph is None else retain_graph
    roots = _roots(_as_tuple(outputs), grad_outputs, create_graph)
    for x in targets:
        if x._entry is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    pass_ = sweep(roots, targets, keep, create_graph)
    found = [
        _result(pass_, x, place, bool(allow_unused) or materialize_grads, materialize_grads)
        for place, x in enumerate(targets)
    ]
    return tuple(g if g is None or x is y else x._array.like(g)
                 for x, y, g in zip(given, targets, found))  # fmt: skip


def _carrier(x: Tensor) -> Tensor:
    """The tensor whose history it is: of a sparse one, its values."""
    array = x._array
    return array.entries if issubclass(type(array), Value) and array.entries is not None else x


def _result(pass_: Sweep, x: Tensor, place: int, unused: bool, zeros: bool) -> Any:
    if x._entry is LEAF:
        found = pass_.leaves.get(id(x))
        g = None if found is None else through_hooks(found[1], x._hooks) if x._hooks else found[1]
    else:
        g = pass_.captured.get(x._entry[ORDER])
    if g is not None:
        return g if isinstance(g, Tensor) else shown(_own(g))
    if not unused:
        raise RuntimeError(
            f"The differentiated Tensor at index {place} appears to not have been used in the"
            " graph. Set allow_unused=True if this is the desired behavior."
        )
    if not zeros:
        return None
    return wrap(np.zeros(x._array.shape, x._array.dtype), LEAF if pass_.create else None)


def _own(g: Any) -> Any:
    return g.copy() if g.base is not None else g


def _batched(
    outputs: Any, inputs: Any, grad_outputs: Any, create: bool, unused: bool | None
) -> tuple[Any, ...]:
    """The gradients for every leading index of `grad_outputs`, in one batched pass."""
    seeds = [seed for seed in _as_tuple(grad_outputs) if seed is not None]
    sizes = {seed._array.shape[0] for seed in seeds}
    if len(sizes) != 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes"
            f" {[seed._array.shape[0] for seed in seeds]} for the mapped dimension"
        )
    for place, (seed, y) in enumerate(zip(_as_tuple(grad_outputs), _as_tuple(outputs))):
        if seed is not None and seed._array.shape[1:] != y._array.shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output"
                " as the batch dimension. The sizes of the remaining dimensions are expected to"
                f" match the shape of corresponding output, but a mismatch was detected:"
                f" grad_output[{place}] has a shape of {seed.shape} and output[{place}] has a shape"
                f" of {y.shape}. If you only want some tensors in `grad_output` to be considered"
                " batched, consider using vmap."
            )
    with entered("vmap", sizes.pop()) as level:
        given = tuple(
            None if seed is None else wrap(Batched(level, seed)) for seed in _as_tuple(grad_outputs)
        )
        found = grad(outputs, inputs, given, True, create, allow_unused=unused)
        return tuple(g if g is None else whole_batch(g, level) for g in found)


def tensor_backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """Add d(self)/d(leaf) to every leaf's `.grad`; see `torch.autograd.backward`.

    Args: `gradient` has the tensor's shape, and is not needed for a single number.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x ** 2).backward(torch.tensor([1.0, 10.0]))
    >>> x.grad
    tensor([ 2., 40.])
    """
    if inputs is None and not create_graph and not STATE.transforms:
        pass_ = sweep_plain(self, gradient, bool(retain_graph))
        if pass_ is not None:
            accumulate_leaves(pass_, None, False)
            return
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)

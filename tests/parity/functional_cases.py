"""Calls of `torch.nn.functional` as text, with their inputs described in braces.

`{3,4}` stands for normal numbers of that shape that want a gradient; a letter before the shape
changes that: `+` uniform in (0.05, 0.95), `n` without gradient, `p` probabilities of the last
dimension, `s` signs, `i` integers below the number after `<`, `b` a mask, `d` float64.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np

from tests.parity import functional_cases_images as images
from tests.parity import functional_cases_losses as losses
from tests.parity.functional_cases_errors import TROUBLE as TROUBLE

PLACE = re.compile(r"\{([^}]*)\}")


def made(spec: str, seed: int) -> tuple[np.ndarray, bool]:
    """The values that a description stands for, and whether they want a gradient."""
    spec, _, limit = spec.partition("<")
    kind = spec[0] if spec[:1] in ("+", "n", "p", "s", "i", "b", "d") else ""
    shape = tuple(int(n) for n in spec[len(kind) :].split(",") if n)
    rng = np.random.default_rng([seed, *shape])
    if kind == "i":
        return rng.integers(0, int(limit), shape), False
    if kind == "b":
        return rng.random(shape) < 0.6, False
    if kind == "s":
        return np.where(rng.random(shape) < 0.5, -1, 1).astype(np.float32), False
    if kind == "+":
        return rng.uniform(0.05, 0.95, shape).astype(np.float32), True
    values = rng.standard_normal(shape)
    if kind == "p":
        weights = np.exp(values)
        return (weights / weights.sum(-1, keepdims=True)).astype(np.float32), False
    return values.astype(np.float64 if kind == "d" else np.float32), kind != "n"


def run(case: str, torch: Any) -> dict[str, list[np.ndarray]]:
    """All results of a call and the gradients of its inputs, as arrays."""
    inputs, leaves = [], []

    def take(match: re.Match[str]) -> str:
        values, wants = made(match.group(1), len(inputs))
        x = torch.from_numpy(values)
        if wants:
            x.requires_grad_()
            leaves.append(x)
        inputs.append(x)
        return f"x[{len(inputs) - 1}]"

    text = PLACE.sub(take, case)
    torch.manual_seed(7)
    scope = {"F": torch.nn.functional, "torch": torch, "x": inputs}
    found = eval(text, scope)
    outputs = [y for y in (found if isinstance(found, (tuple, list)) else [found]) if y is not None]
    total = sum(
        (y * torch.cos(torch.arange(y.numel(), dtype=y.dtype).reshape(y.shape))).sum()
        for y in outputs if y.requires_grad
    )  # fmt: skip
    if leaves and isinstance(total, torch.Tensor):
        total.backward()
    return {
        "outputs": [y.detach().numpy() for y in outputs],
        "gradients": [np.zeros(0) if x.grad is None else x.grad.numpy() for x in leaves],
    }


def trouble(case: str, torch: Any) -> dict[str, Any]:
    """What a call with odd arguments shows: its error or result's shape, and its warnings."""
    torch.manual_seed(0)
    scope = {"F": torch.nn.functional, "torch": torch, "z": torch.zeros}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = eval(case, scope)
            seen = ["fine", list(getattr(found, "shape", []))]
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            seen = [kinds, str(error).split("\n")[0]]
    told = [[one.category.__name__, str(one.message).split("\n")[0]] for one in caught]
    return {"seen": seen, "warnings": told}


ACTIVATIONS = """
F.relu({3,4})
F.relu({2,3}.clone(), inplace=True)
F.relu_({2,3}.clone())
F.relu6({3,4} * 4)
F.leaky_relu({3,4})
F.leaky_relu({3,4}, 0.3)
F.leaky_relu({3,4}, 1.5)
F.leaky_relu({3,4}.clone(), 0.2, True)
F.leaky_relu_({3,4}.clone(), 0.2)
F.prelu({3,4}, {1})
F.prelu({3,4}, {4})
F.prelu({2,3,4,2}, {3})
F.rrelu({3,4})
F.rrelu({3,4}, training=True)
F.rrelu({5,7}, 0.2, 0.9, training=True)
F.elu({3,4})
F.elu({3,4}, 0.7)
F.elu({3,4}.clone(), 0.7, True)
F.selu({3,4})
F.selu({3,4}.clone(), inplace=True)
F.celu({3,4})
F.celu({3,4}, 0.6)
F.gelu({3,4})
F.gelu({3,4} * 3)
F.gelu({3,4}, approximate="tanh")
F.gelu({3,4} * 3, approximate="tanh")
F.silu({3,4})
F.silu({3,4} * 5)
F.silu({3,4}.clone(), inplace=True)
F.mish({3,4})
F.mish({3,4} * 5)
F.softplus({3,4})
F.softplus({3,4} * 8, 2, 3)
F.softplus({3,4} * 30)
F.softshrink({3,4})
F.softshrink({3,4}, 0.8)
F.hardshrink({3,4})
F.hardshrink({3,4}, 0.8)
F.tanhshrink({3,4})
F.threshold({3,4}, 0.1, 20.0)
F.threshold({3,4}.clone(), -0.1, 2.0, True)
F.hardtanh({3,4})
F.hardtanh({3,4}, -0.3, 0.4)
F.hardtanh({3,4}.clone(), -0.3, 0.4, True)
F.hardsigmoid({3,4} * 3)
F.hardswish({3,4} * 3)
F.hardswish(torch.tensor([-3.0, -2.0, 0.0, 3.0, 4.0], requires_grad=True))
F.logsigmoid({3,4})
F.logsigmoid({3,4} * 40)
F.softsign({3,4})
F.glu({3,4})
F.glu({4,3}, 0)
F.sigmoid({3,4} * 10)
F.tanh({3,4})
F.softmax({3,4}, 0)
F.softmax({3,4}, dim=-1)
F.softmax({2,3,4} * 20, 1)
F.softmax({4}, 0, dtype=torch.float64)
F.softmax({}, 0)
F.softmin({3,4}, 1)
F.log_softmax({3,4}, 0)
F.log_softmax({3,4} * 30, dim=-1)
F.log_softmax({2,3,4}, 1)
F.log_softmax({2,3}, 1, dtype=torch.float64)
F.gumbel_softmax({3,4})
F.gumbel_softmax({3,4}, tau=0.5, hard=True)
F.gumbel_softmax({3,4}, dim=0)
F.normalize({3,4})
F.normalize({3,4}, p=1.0, dim=0)
F.normalize({3,4}, p=3.0, dim=-1)
F.normalize({2,3,4}, dim=(1, 2))
F.relu(torch.tensor([0.0, -0.0, 1.0, float("inf"), float("nan")]))
F.gelu(torch.tensor([0.0, -10.0, 10.0, float("nan")]))
F.softplus(torch.tensor([-200.0, 200.0, 0.0, 20.0, 20.5]))
F.silu(torch.tensor([-200.0, 200.0, 0.0, -88.0]))
F.elu(torch.tensor([-200.0, 200.0, 0.0, -0.0]))
F.softmax(torch.tensor([1000.0, 1000.0, -float("inf")]), 0)
F.log_softmax(torch.tensor([1000.0, 0.0, -float("inf")]), 0)
F.relu({3,4}.half())
F.softmax({3,4}.half(), 1)
F.log_softmax({3,4}.half(), 1)
F.gelu({3,4}.double())
F.relu({i3,4<5} - 2)
F.relu6({i3,4<9} - 2)
""".strip().splitlines()

LINEAR = """
F.linear({3,4}, {5,4})
F.linear({3,4}, {5,4}, {5})
F.linear({2,3,4}, {5,4}, {5})
F.linear({4}, {5,4}, {5})
F.linear({3,4}, {4})
F.linear({2,3,4}, {4})
F.linear({0,4}, {5,4}, {5})
F.linear({d3,4}, {d5,4}, {d5})
F.bilinear({3,4}, {3,5}, {6,4,5})
F.bilinear({3,4}, {3,5}, {6,4,5}, {6})
F.bilinear({2,3,4}, {2,3,5}, {2,4,5}, {2})
F.embedding({i3,4<6}, {6,5})
F.embedding({i7<3}, {6,2})
F.embedding({i3,4<3}, {3,2}, padding_idx=1)
F.embedding({i3,4<3}, {3,2}, padding_idx=-1)
F.embedding({i3,4<6}, {6,5}, scale_grad_by_freq=True)
F.embedding({i3,4<6}, {n6,5}, max_norm=1.0)
F.embedding({i3<6}, {n6,5}, max_norm=1.5, norm_type=1.0)
F.embedding({i3,2<6}.int(), {6,5})
F.embedding({i0<6}, {6,5})
F.embedding(torch.tensor(2), {6,5})
F.one_hot({i3,4<6})
F.one_hot({i5<3}, 7)
F.one_hot(torch.tensor(2), 4)
F.embedding_bag({i3,4<6}, {6,5})
F.embedding_bag({i3,4<6}, {6,5}, mode="sum")
F.embedding_bag({i3,4<6}, {6,5}, mode="max")
F.embedding_bag({i7<6}, {6,5}, torch.tensor([0, 2, 2, 5]))
F.embedding_bag({i7<6}, {6,5}, torch.tensor([0, 2, 2, 5]), mode="sum")
F.embedding_bag({i7<6}, {6,5}, torch.tensor([0, 2, 2, 5]), mode="max")
F.embedding_bag({i7<6}, {6,5}, torch.tensor([0, 2, 5, 7]), include_last_offset=True)
F.embedding_bag({i7<6}, {6,5}, torch.tensor([0, 4]), mode="sum", per_sample_weights={7})
F.embedding_bag({i3,4<6}, {6,5}, mode="mean", padding_idx=2)
F.cosine_similarity({3,4}, {3,4})
F.cosine_similarity({3,4}, {3,4}, dim=0)
F.cosine_similarity({3,4}, {1,4}, dim=-1)
F.cosine_similarity({3,4} * 0, {3,4})
F.pairwise_distance({3,4}, {3,4})
F.pairwise_distance({3,4}, {4}, p=1.0, keepdim=True)
F.pairwise_distance({3,4}, {3,4}, p=3.0, eps=1e-3)
F.pairwise_distance({4}, {4})
F.pdist({5,3})
F.pdist({5,3}, p=1.0)
F.pdist({4,3}, p=3.0)
""".strip().splitlines()

DROPOUT = """
F.dropout({5,7})
F.dropout({5,7}, 0.2)
F.dropout({5,7}, 0.2, training=False)
F.dropout({5,7}, 0.0)
F.dropout({5,7}, 1.0)
F.dropout({5,7}.clone(), 0.3, inplace=True)
F.dropout({d5,7}, 0.3)
F.dropout({40,50})
torch.dropout({5,7}, 0.4, True)
F.dropout1d({3,4,5})
F.dropout1d({4,5}, 0.3)
F.dropout2d({3,4,5,2})
F.dropout2d({3,4,5,2}.clone(), 0.3, inplace=True)
F.dropout3d({2,3,2,2,2})
F.dropout3d({3,2,2,2})
F.alpha_dropout({5,7}, 0.4, training=True)
F.alpha_dropout({5,7}, 0.4)
F.alpha_dropout({5,7}, 1.0, training=True)
F.feature_alpha_dropout({3,4,5}, 0.4, training=True)
""".strip().splitlines()

FAMILIES = {
    "activations": ACTIVATIONS, "linear": LINEAR, "dropout": DROPOUT, "labels": losses.LABELS,
    "numbers": losses.NUMBERS, "convolution": images.CONVOLUTION, "pooling": images.POOLING,
    "norms": images.NORMS, "shapes": images.SHAPES, "attention": images.ATTENTION,
}  # fmt: skip

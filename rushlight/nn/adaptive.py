"""AdaptiveLogSoftmaxWithLoss: an approximate softmax for very many classes."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import functional as F
from .containers import ModuleList, Sequential
from .layers_linear import Linear
from .module import Module

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Frequent classes in a head, rarer ones in clusters of shrinking width.

    cutoffs: the first class of each cluster. Classes must be sorted by frequency, most frequent
    first. Source: Grave et al., 2017.

    >>> import rushlight as torch
    >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 100, cutoffs=[10, 50], div_value=2)
    >>> layer(torch.zeros(3, 8), torch.tensor([0, 20, 99])).output.shape
    torch.Size([3])
    >>> layer.log_prob(torch.zeros(3, 8)).exp().sum(1).round(decimals=3)
    tensor([1., 1., 1.], grad_fn=<RoundBackward1>)
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.cutoffs = _checked_cutoffs(cutoffs, n_classes)
        self.in_features = in_features
        self.n_classes = n_classes
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for place in range(self.n_clusters):
            width = int(in_features // (div_value ** (place + 1)))
            classes = self.cutoffs[place + 1] - self.cutoffs[place]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **made),
                    Linear(width, classes, bias=False, **made),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for reduce, expand in self.tail:
            reduce.reset_parameters()
            expand.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> Any:
        batched = target_.dim() > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        if batched and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if batched and input_.dim() != 2:
            raise RuntimeError(
                "1D target tensor expects 2D input tensors, but found inputs with size",
                input_.size(),
            )
        low, high = target.min(), target.max()
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], "
                f"but values in range [{low.item()}, {high.item()}] were found. "
            )
        output = self._log_prob_of(input, target)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _log_prob_of(self, input: Any, target: Any) -> Any:
        """log p(target) for each row: (N, in_features) and (N) to (N)."""
        head = F.log_softmax(self.head(input), dim=1)
        in_head = target < self.shortlist_size
        column = rl.where(in_head, target, rl.zeros_like(target))
        parts, places = [], []
        for place in range(self.n_clusters):
            low, high = self.cutoffs[place], self.cutoffs[place + 1]
            inside = (target >= low) & (target < high)
            column = rl.where(inside, self.shortlist_size + place, column)
            rows = inside.nonzero().squeeze(1)
            if rows.numel():
                cluster = F.log_softmax(self.tail[place](input.index_select(0, rows)), dim=1)
                local = cluster.gather(1, (target[rows] - low).unsqueeze(1)).squeeze(1)
                parts.append(local)
                places.append(rows)
        output = head.gather(1, column.unsqueeze(1)).squeeze(1)
        if parts:
            output = output.index_add(0, rl.cat(places), rl.cat(parts))
        return output

    def log_prob(self, input: Any) -> Any:
        """log p of every class: (N, in_features) to (N, n_classes)."""
        head = F.log_softmax(self.head(input), dim=1)
        columns = [head[:, : self.shortlist_size]]
        for place in range(self.n_clusters):
            cluster = F.log_softmax(self.tail[place](input), dim=1)
            columns.append(cluster + head[:, self.shortlist_size + place].unsqueeze(1))
        return rl.cat(columns, dim=1)

    def predict(self, input: Any) -> Any:
        """The most probable class of each row."""
        return self.log_prob(input).argmax(dim=1)


def _checked_cutoffs(cutoffs: Sequence[int], n_classes: int) -> list[int]:
    cutoffs = list(cutoffs)
    if len(cutoffs) == 0:
        raise ValueError("cutoffs should be a sequence of length larger than 0")
    whole = all(int(c) == c for c in cutoffs)
    rising = cutoffs == sorted(set(cutoffs))
    if not (whole and rising and min(cutoffs) > 0 and max(cutoffs) <= n_classes - 1):
        raise ValueError(
            "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
            "order, where each value is between 1 and n_classes-1"
        )
    return [*cutoffs, n_classes]

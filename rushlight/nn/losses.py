"""Loss layers for regression and classification: each calls the function of `nn.functional`."""

from __future__ import annotations

import warnings
from typing import Any

from . import functional as F
from .module import Module


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that torch's old pair of arguments means, with torch's warning."""
    if size_average is None and reduce is None:
        return reduction
    average = True if size_average is None else size_average
    try:
        if reduce is not None and not reduce:
            reduction = "none"
        else:
            reduction = "mean" if average else "sum"
    except RuntimeError as error:  # the truth of a tensor: scores and labels given too early
        error.add_note("a loss layer is made first, then called: nn.MSELoss()(prediction, target)")
        raise
    warnings.warn(
        "size_average and reduce args will be deprecated, please use "
        f"reduction='{reduction}' instead.",
        stacklevel=4,
    )
    return reduction


class _Loss(Module):
    """A loss with `reduction`: "mean", "sum" or "none"."""

    __constants__ = ["reduction"]
    reduction: str

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.reduction = legacy_reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    """A loss with a weight, kept as a buffer."""

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.weight: Any


class L1Loss(_Loss):
    """mean |x - y|.

    Shapes: input and target are alike, of any shape. reduction: "mean", "sum", or "none" for every
    element's own; size_average and reduce are its older names. Warns of shapes that differ.
    Raises: ValueError for another reduction, RuntimeError for shapes that do not broadcast.

    >>> import rushlight as torch
    >>> torch.nn.L1Loss()(torch.tensor([1.0, 2.0]), torch.zeros(2))
    tensor(1.5000)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """mean (x - y)^2.

    Shapes: input and target are alike, of any shape. reduction: "mean", "sum", or "none" for every
    element's own; size_average and reduce are its older names. Warns of shapes that differ.
    Raises: ValueError for another reduction, RuntimeError for shapes that do not broadcast.

    >>> import rushlight as torch
    >>> torch.nn.MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """(x - y)^2 / (2 beta) where |x - y| < beta, else |x - y| - beta / 2.

    Shapes: input and target are alike. reduction: "mean", "sum" or "none"; beta: where the square
    ends, 0 for the plain |x - y|. Raises: RuntimeError for a beta below 0.

    >>> import rushlight as torch
    >>> torch.nn.SmoothL1Loss()(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(1.5000)
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2 / 2 where |d| < delta, else delta (|d| - delta / 2), d = input - target.

    Args: reduction, "mean", "sum" or "none"; delta, above 0.
    Shapes: input and target broadcast together; the result is a scalar, or theirs.
    Raises: ValueError for another reduction, RuntimeError for a delta that is not positive.
    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    >>> import rushlight as torch
    >>> torch.nn.HuberLoss()(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(1.5000)
    """

    __constants__ = ["reduction", "delta"]

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class NLLLoss(_WeightedLoss):
    """-log p[target], for log-probabilities (N, C, *) and class indices (N, *).

    weight: (C), what a class counts; the mean is then over the weights. ignore_index: a class that
    counts nothing. reduction: "mean", "sum" or "none".
    Raises: IndexError for a class that is not there, RuntimeError for targets that are no integers.

    >>> import rushlight as torch
    >>> torch.nn.NLLLoss()(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
    tensor(2.)
    """

    __constants__ = ["ignore_index", "reduction"]

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NLLLoss2d(NLLLoss):
    """The old name of NLLLoss for images: warns so.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     loss_fn = torch.nn.NLLLoss2d()
    >>> loss_fn(torch.log(torch.full((1, 2, 3, 3), 0.5)), torch.zeros(1, 3, 3, dtype=torch.long))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in "
            "replacement and see https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more "
            "details.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(x)[target], for logits (N, C, *) and class indices or probabilities.

    weight: one per class. ignore_index: a target that does not count. label_smoothing: the share
    of the target spread over all classes.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html

    >>> import rushlight as torch
    >>> torch.nn.CrossEntropyLoss()(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """

    __constants__ = ["ignore_index", "reduction", "label_smoothing"]

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class BCELoss(_WeightedLoss):
    """-(y log p + (1 - y) log(1 - p)) for probabilities p.

    Shapes: input and target are the same, of any shape. weight: a factor of each element's loss.
    The logarithm is held at -100 or above. reduction: "mean", "sum" or "none".
    Raises: ValueError for shapes that differ, RuntimeError for an input that is not in [0, 1].

    >>> import rushlight as torch
    >>> torch.nn.BCELoss()(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """BCELoss of sigmoid(x), computed without overflow.

    Shapes: input and target are the same, of any shape. weight: a factor of each element's loss;
    pos_weight: one of the term of the ones. reduction: "mean", "sum" or "none".
    Raises: ValueError for shapes that differ.

    >>> import rushlight as torch
    >>> torch.nn.BCEWithLogitsLoss()(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.weight: Any
        self.pos_weight: Any

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """y (log y - x), for log-probabilities x; "batchmean" is the divergence itself.

    Shapes: input and target are alike. reduction: "mean" (over all elements), "batchmean" (over the
    first dimension), "sum" or "none"; log_target: the target is a logarithm too.

    >>> import rushlight as torch
    >>> torch.nn.KLDivLoss(reduction="sum")(torch.zeros(2), torch.ones(2))
    tensor(0.)
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """e^x - y x for a log-rate x, or x - y log(x + eps) for a rate.

    Arguments: `log_input`, which of the two; `full` adds Stirling's approximation of log(y!) where
    y > 1; `eps` keeps the logarithm finite; `reduction`, "mean", "sum" or "none".
    Shapes: x and y broadcast. Raises: ValueError for another reduction.

    >>> import rushlight as torch
    >>> torch.nn.PoissonNLLLoss()(torch.zeros(1), torch.ones(1))
    tensor(1.)
    """

    __constants__ = ["log_input", "full", "eps", "reduction"]

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Any, target: Any) -> Any:
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """(log var + (x - y)^2 / var) / 2.

    Called with input, target and var: the variances, of the input's shape, or the same with a last
    dimension of 1 or without it, or a number. full: with the constant log(2 pi) / 2; eps: var's
    least.
    Raises: ValueError for a variance below 0 or of another shape.

    >>> import rushlight as torch
    >>> torch.nn.GaussianNLLLoss()(torch.ones(1), torch.zeros(1), torch.ones(1))
    tensor(0.5000)
    """

    __constants__ = ["full", "eps", "reduction"]

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class CTCLoss(_Loss):
    """-log of the probability of a label sequence, summed over its alignments.

    Arguments: `blank`, the index of the label that stands for nothing; `reduction`, "mean" (over
    lengths and batch), "sum" or "none"; `zero_infinity` gives 0 for targets that do not fit.
    Shapes: logarithms of probabilities (T, N, C), targets (N, S) or all behind each other,
    lengths (N).
    Source: Graves et al., 2006.

    >>> import rushlight as torch
    >>> torch.nn.CTCLoss()(torch.zeros(4, 1, 3), torch.tensor([[1, 2]]), [4], [2]) < 0
    tensor(True)
    """

    __constants__ = ["blank", "reduction"]

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )

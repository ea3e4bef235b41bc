"""Boxes as numbers to learn, the boxes that belong to objects, and a choice among them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops import FrozenBatchNorm2d, complete_box_iou_loss, distance_box_iou_loss
from ...ops import generalized_box_iou_loss as generalized_loss


class BalancedPositiveNegativeSampler:
    """Some of the candidates of each image, a share of which are objects where there are enough.

    Called with labels per image (1 and more: an object, 0: none, -1: not asked), it gives two
    lists of masks: the chosen objects, and the chosen others.

    >>> import rushlight as torch
    >>> sample = BalancedPositiveNegativeSampler(4, 0.5)
    >>> found, rest = sample([torch.tensor([1, 0, 0, -1, 0, 0])])
    >>> found[0].sum().item(), rest[0].sum().item()
    (1, 3)
    """

    def __init__(self, batch_size_per_image: int, positive_fraction: float) -> None:
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction

    def __call__(self, matched_idxs: list[rl.Tensor]) -> tuple[list[Any], list[Any]]:
        positive, negative = [], []
        for labels in matched_idxs:
            wanted = int(self.batch_size_per_image * self.positive_fraction)
            chosen = _some_of(labels >= 1, wanted)
            positive.append(chosen)
            rest = self.batch_size_per_image - int(chosen.sum())
            negative.append(_some_of(labels == 0, rest))
        return positive, negative


def _some_of(candidates: rl.Tensor, count: int) -> rl.Tensor:
    """A mask of at most `count` of the candidates, drawn without replacement."""
    (places,) = rl.where(candidates)
    drawn = rl.randperm(places.numel(), device=places.device)[:count]
    mask = rl.zeros_like(candidates, dtype=rl.uint8)
    mask[places[drawn]] = 1
    return mask


def _centres(boxes: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
    """Centres and sizes, (N, 2) each, of boxes (N, 4)."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + 0.5 * sizes, sizes


def encode_boxes(reference_boxes: rl.Tensor, proposals: rl.Tensor, weights: Any) -> rl.Tensor:
    """Where boxes (N, 4) are, seen from proposals (N, 4): shifts in sizes, and logs of ratios.

    dx = wx (x - x_p) / w_p, dy likewise; dw = ww log(w / w_p), dh likewise.
    weights: the four factors, as a tensor.
    Source: R. Girshick et al., "Rich feature hierarchies", 2014.
    """
    (at, size), (seen_from, unit) = _centres(reference_boxes), _centres(proposals)
    shifts = weights[:2] * (at - seen_from) / unit
    return rl.cat((shifts, weights[2:] * rl.log(size / unit)), dim=1)


class BoxCoder:
    """Boxes in the form of `encode_boxes`, and back.

    weights: the four factors; bbox_xform_clip: the largest log of a ratio that is believed.

    >>> import rushlight as torch
    >>> coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    >>> box, proposal = torch.tensor([[1., 1., 3., 5.]]), torch.tensor([[0., 0., 4., 4.]])
    >>> code = coder.encode_single(box, proposal)
    >>> code
    tensor([[ 0.0000,  0.2500, -0.6931,  0.0000]])
    >>> coder.decode_single(code, proposal)
    tensor([[1., 1., 3., 5.]])
    """

    def __init__(
        self, weights: tuple[float, float, float, float],
        bbox_xform_clip: float = math.log(1000.0 / 16),
    ) -> None:  # fmt: skip
        self.weights, self.bbox_xform_clip = weights, bbox_xform_clip

    def encode(self, reference_boxes: list[Any], proposals: list[Any]) -> Any:
        """The codes of boxes seen from proposals, image by image."""
        counts = [len(boxes) for boxes in reference_boxes]
        return self.encode_single(rl.cat(reference_boxes), rl.cat(proposals)).split(counts)

    def encode_single(self, reference_boxes: rl.Tensor, proposals: rl.Tensor) -> rl.Tensor:
        """The codes (N, 4) of boxes (N, 4) seen from proposals (N, 4)."""
        weights = rl.tensor(
            self.weights, dtype=reference_boxes.dtype, device=reference_boxes.device
        )
        return encode_boxes(reference_boxes, proposals, weights)

    def decode(self, rel_codes: rl.Tensor, boxes: list[Any]) -> rl.Tensor:
        """Boxes (N, C, 4) from codes (N, 4 C) and the proposals of each image.

        Raises: AssertionError for other types than a tensor and a list of tensors.
        """
        if not isinstance(boxes, (list, tuple)):
            raise AssertionError("This function expects boxes of type list or tuple.")
        if not isinstance(rel_codes, rl.Tensor):
            raise AssertionError("This function expects rel_codes of type torch.Tensor.")
        seen_from = rl.cat(boxes)
        count = len(seen_from)
        codes = rel_codes.reshape(count, -1) if count else rel_codes
        found = self.decode_single(codes, seen_from)
        return found.reshape(count, -1, 4) if count else found

    def decode_single(self, rel_codes: rl.Tensor, boxes: rl.Tensor) -> rl.Tensor:
        """Boxes (N, 4 C) from codes (N, 4 C) and proposals (N, 4)."""
        seen_from, unit = (part[:, None] for part in _centres(boxes.to(rel_codes.dtype)))
        codes = rel_codes.unflatten(1, (-1, 4)) if rel_codes.numel() else rel_codes.view(0, 1, 4)
        weights = rl.tensor(self.weights, dtype=rel_codes.dtype, device=rel_codes.device)
        shifts, logs = codes[..., :2] / weights[:2], codes[..., 2:] / weights[2:]
        centre = shifts * unit + seen_from
        half = 0.5 * (rl.exp(logs.clamp(max=self.bbox_xform_clip)) * unit)
        return rl.cat((centre - half, centre + half), dim=-1).flatten(1)


class BoxLinearCoder:
    """Boxes as the distances of their four sides from a point, the centre of another box.

    normalize_by_size: in widths and heights of that other box.
    Source: Z. Tian et al., "FCOS", 2019.
    """

    def __init__(self, normalize_by_size: bool = True) -> None:
        self.normalize_by_size = normalize_by_size

    def _seen_from(self, boxes: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor | float]:
        """Centres (..., 2), twice, and units (..., 4)."""
        low, high = boxes[..., :2], boxes[..., 2:]
        unit = rl.cat((high - low, high - low), -1) if self.normalize_by_size else 1.0
        return 0.5 * (low + high), unit

    def encode(self, reference_boxes: rl.Tensor, proposals: rl.Tensor) -> rl.Tensor:
        """How far (..., 4) left, up, right and down `proposals` reach from centres of boxes."""
        centre, unit = self._seen_from(reference_boxes.to(proposals.dtype))
        reach = (centre - proposals[..., :2], proposals[..., 2:] - centre)
        return rl.cat(reach, dim=-1) / unit

    def decode(self, rel_codes: rl.Tensor, boxes: rl.Tensor) -> rl.Tensor:
        """Boxes (..., 4) from the distances (..., 4) of their sides from centres of `boxes`."""
        centre, unit = self._seen_from(boxes.to(rel_codes.dtype))
        reach = rel_codes * unit
        return rl.cat((centre - reach[..., :2], centre + reach[..., 2:]), dim=-1)


class Matcher:
    """The object that each candidate belongs to, by how well they fit.

    Called with qualities (M objects, N candidates), it gives N numbers of objects:
    `BELOW_LOW_THRESHOLD` for candidates that fit none, `BETWEEN_THRESHOLDS` for those between.
    allow_low_quality_matches: an object that no candidate fits well gets those that fit it best.
    Raises: AssertionError for a low threshold above the high one, ValueError for nothing to match.

    >>> import rushlight as torch
    >>> Matcher(0.7, 0.3)(torch.tensor([[0.8, 0.5, 0.1], [0.2, 0.6, 0.2]]))
    tensor([ 0, -2, -1])
    """

    BELOW_LOW_THRESHOLD = -1
    BETWEEN_THRESHOLDS = -2

    def __init__(
        self, high_threshold: float, low_threshold: float, allow_low_quality_matches: bool = False
    ) -> None:
        if low_threshold > high_threshold:
            raise AssertionError("low_threshold should be <= high_threshold")
        self.high_threshold, self.low_threshold = high_threshold, low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: rl.Tensor) -> rl.Tensor:
        if match_quality_matrix.numel() == 0:
            missing = "ground-truth" if match_quality_matrix.shape[0] == 0 else "proposal"
            raise ValueError(f"No {missing} boxes available for one of the images during training")
        quality, best = match_quality_matrix.max(dim=0)
        below = quality < self.low_threshold
        between = (quality >= self.low_threshold) & (quality < self.high_threshold)
        matches = best.masked_fill(below, self.BELOW_LOW_THRESHOLD)
        matches = matches.masked_fill(between, self.BETWEEN_THRESHOLDS)
        if self.allow_low_quality_matches:
            self.set_low_quality_matches_(matches, best, match_quality_matrix)
        return matches

    def set_low_quality_matches_(
        self, matches: rl.Tensor, all_matches: rl.Tensor, match_quality_matrix: rl.Tensor
    ) -> None:
        """Give candidates back their best object, where they are the best of some object."""
        highest = match_quality_matrix.max(dim=1, keepdim=True).values
        (places,) = rl.where((match_quality_matrix == highest).any(0))
        matches[places] = all_matches[places]


class SSDMatcher(Matcher):
    """A `Matcher` that gives each object the candidate that fits it best, however badly."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold, threshold, allow_low_quality_matches=False)

    def __call__(self, match_quality_matrix: rl.Tensor) -> rl.Tensor:
        matches = super().__call__(match_quality_matrix)
        best = match_quality_matrix.max(dim=1).indices
        matches[best] = rl.arange(len(best), dtype=rl.int64, device=best.device)
        return matches


def overwrite_eps(model: nn.Module, eps: float) -> None:
    """Set what the frozen norms of a network add to variances: older weights were made with 0."""
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps


def retrieve_out_channels(model: nn.Module, size: tuple[int, int]) -> list[int]:
    """The channels of each map that a backbone makes, found by a try on zeros of `size` (w, h)."""
    training = model.training
    model.eval()
    with rl.no_grad():
        features = as_dictionary(model(rl.zeros((1, 3, size[1], size[0]))))
    model.train(training)
    return [one.size(1) for one in features.values()]


def as_dictionary(features: Any) -> dict[str, Any]:
    """Maps by name: a backbone with a single one may return it by itself."""
    return {"0": features} if isinstance(features, rl.Tensor) else features


_OVERLAPS: dict[str, Callable[..., Any]] = {
    "ciou": complete_box_iou_loss, "diou": distance_box_iou_loss, "giou": generalized_loss,
}  # fmt: skip


def _box_loss(
    type: str, box_coder: BoxCoder, anchors_per_image: rl.Tensor,
    matched_gt_boxes_per_image: rl.Tensor, bbox_regression_per_image: rl.Tensor,
    cnf: dict[str, float] | None = None,
) -> rl.Tensor:  # fmt: skip
    """How far codes are from those of the true boxes, or the boxes from the true ones, summed.

    type: "l1" or "smooth_l1" (of codes), "ciou", "diou" or "giou" (of boxes); cnf: "beta" of the
    smooth loss, "eps" of the last three.
    Raises: AssertionError for another type.
    """
    if type not in ("l1", "smooth_l1", *_OVERLAPS):
        raise AssertionError(f"Unsupported loss: {type}")
    settings = cnf or {}
    if type in _OVERLAPS:
        found = box_coder.decode_single(bbox_regression_per_image, anchors_per_image)
        eps = settings.get("eps", 1e-7)
        return _OVERLAPS[type](found, matched_gt_boxes_per_image, reduction="sum", eps=eps)
    codes = box_coder.encode_single(matched_gt_boxes_per_image, anchors_per_image)
    if type == "l1":
        return nn.functional.l1_loss(bbox_regression_per_image, codes, reduction="sum")
    beta = settings.get("beta", 1.0)
    return nn.functional.smooth_l1_loss(
        bbox_regression_per_image, codes, reduction="sum", beta=beta
    )

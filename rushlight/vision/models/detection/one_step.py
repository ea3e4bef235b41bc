"""What detectors in one step share: they score the boxes laid over a picture themselves."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from ... import ops
from ._utils import as_dictionary
from .checks import check_boxes, check_targets, sizes_of

Target = dict[str, Any]


class OneStepDetector(nn.Module):
    """The way from pictures to losses or detections; subclasses say what those are made of.

    They have a `backbone`, an `anchor_generator`, a `head`, a `transform`, and the methods
    `_losses` and `_detections`.
    """

    backbone: Any
    anchor_generator: Any
    head: Any
    transform: Any

    def eager_outputs(self, losses: Any, detections: Any) -> Any:
        """The losses while training, what is found otherwise."""
        return losses if self.training else detections

    def _losses(self, targets: Any, outputs: Any, anchors: Any, counts: list[int]) -> Any:
        raise NotImplementedError  # each detector says which

    def _detections(self, outputs: Any, anchors: Any, sizes: Any, counts: list[int]) -> Any:
        raise NotImplementedError  # each detector says how

    def forward(self, images: list[rl.Tensor], targets: list[Target] | None = None) -> Any:
        """Losses by name while training, {"boxes", "scores", "labels"} of each picture otherwise.

        images: pictures (3, H, W) from 0 to 1, of any sizes; targets: {"boxes": (N, 4),
        "labels": (N)} of each, while training.
        Raises: AssertionError for targets that are absent or of another shape, and flat boxes.
        """
        if self.training:
            check_targets(targets)
        given = sizes_of(images)
        batch, targets = self.transform(images, targets)
        check_boxes(targets)
        maps = list(as_dictionary(self.backbone(batch.tensors)).values())
        outputs, anchors = self.head(maps), self.anchor_generator(batch, maps)
        places = [one.shape[-2] * one.shape[-1] for one in maps]
        around = len(anchors[0]) // sum(places)  # of SSD it is a mean, and not asked for
        counts = [count * around for count in places]
        if self.training:
            return self.eager_outputs(self._losses(targets, outputs, anchors, counts), [])
        found = self._detections(outputs, anchors, batch.image_sizes, counts)
        return self.eager_outputs({}, self.transform.postprocess(found, batch.image_sizes, given))


class LevelDetector(OneStepDetector):
    """A detector that takes the best boxes of each map by themselves: RetinaNet and FCOS."""

    score_thresh: float
    nms_thresh: float
    detections_per_img: int
    topk_candidates: int

    def _scores(self, outputs: dict[str, list[rl.Tensor]], image: int) -> list[rl.Tensor]:
        """Probabilities (K, C) of the boxes of each map."""
        raise NotImplementedError  # each detector says how

    def _decoded(self, codes: rl.Tensor, anchors: rl.Tensor) -> rl.Tensor:
        """Boxes (K, 4) from codes and the boxes that they are seen from."""
        raise NotImplementedError  # each detector says how

    def _detections(self, outputs: Any, anchors: Any, sizes: Any, counts: list[int]) -> Any:
        split = {name: list(one.split(counts, dim=1)) for name, one in outputs.items()}
        boxes = [list(one.split(counts)) for one in anchors]
        return self.postprocess_detections(split, boxes, sizes)

    def postprocess_detections(
        self, head_outputs: dict[str, list[rl.Tensor]], anchors: list[list[rl.Tensor]],
        image_shapes: list[tuple[int, int]],
    ) -> list[Target]:  # fmt: skip
        """What is found in each image, best first, from what the head says of each map's boxes."""
        found = []
        for image, size in enumerate(image_shapes):
            codes = [one[image] for one in head_outputs["bbox_regression"]]
            of_maps = zip(self._scores(head_outputs, image), codes, anchors[image])
            boxes, scores, labels = (
                rl.cat(parts) for parts in zip(*[self._best(*one, size) for one in of_maps])
            )
            keep = ops.batched_nms(boxes, scores, labels, self.nms_thresh)
            keep = keep[: self.detections_per_img]
            found.append({"boxes": boxes[keep], "scores": scores[keep], "labels": labels[keep]})
        return found

    def _best(
        self, scores: rl.Tensor, codes: rl.Tensor, anchors: rl.Tensor, size: tuple[int, int]
    ) -> tuple[rl.Tensor, rl.Tensor, rl.Tensor]:
        """Boxes, scores and classes of the best of a map."""
        classes = scores.shape[-1]
        scores = scores.flatten()
        (places,) = rl.where(scores > self.score_thresh)
        scores, best = scores[places].topk(min(len(places), self.topk_candidates))
        places = places[best]
        which = places // classes
        boxes = self._decoded(codes[which], anchors[which])
        return ops.clip_boxes_to_image(boxes, size), scores, places % classes


def rows_of_boxes(x: rl.Tensor, width: int) -> rl.Tensor:
    """(N, H W A, width) from (N, A width, H, W): the numbers of each box, pixel by pixel."""
    return x.unflatten(1, (-1, width)).permute(0, 3, 4, 1, 2).reshape(len(x), -1, width)

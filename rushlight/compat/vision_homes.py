"""Where our modules for pictures have what torchvision keeps in modules of other names."""

from __future__ import annotations

__all__ = ["ELSEWHERE", "NAMESAKES"]

ELSEWHERE = {
    "models._meta": "models.tasks",
    **{f"ops.{name}": "ops.losses" for name in ("ciou_loss", "diou_loss", "focal_loss",
                                                "giou_loss")},
    "ops.roi_align": "ops.regions", "ops.roi_pool": "ops.regions",
    "ops.ps_roi_align": "ops.position_sensitive", "ops.ps_roi_pool": "ops.position_sensitive",
    "ops.stochastic_depth": "ops.misc",
    "transforms.transforms": "transforms", "transforms.autoaugment": "transforms.auto",
    # Since torchvision 0.17 the functions for one kind of picture have underscores; ours ask.
    "transforms._functional_tensor": "transforms.functional",
    "transforms._functional_pil": "transforms.functional",
    "transforms.v2._transform": "transforms.v2.transform",
    "transforms.v2.functional._geometry": "transforms.v2.functional.geometry",
}  # fmt: skip
# Those among them that share their name with a function of the package they are in.
NAMESAKES = tuple(f"torchvision.ops.{name}" for name in (
    "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool", "stochastic_depth",
))  # fmt: skip

"""What is asked of networks that find, segment and watch, in both libraries."""

from __future__ import annotations

from typing import Any

from tests.parity.model_cases import layout

DETECTORS = (
    "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2",
    "keypointrcnn_resnet50_fpn", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large",
)  # fmt: skip
SEGMENTERS = (
    "fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101",
    "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large",
)  # fmt: skip
WATCHERS = ("r3d_18", "mc3_18", "r2plus1d_18")
CLASSIFIERS = ("mobilenet_v3_large", "mobilenet_v3_small")
NAMES = (*DETECTORS, *SEGMENTERS, *WATCHERS, *CLASSIFIERS)


def built(models: Any, name: str) -> Any:
    """The untrained network of a name."""
    settings = {"weights_backbone": None} if name in DETECTORS + SEGMENTERS else {}
    return models.get_model(name, **settings)


def layouts(models: Any) -> dict[str, Any]:
    """Names, shapes and texts of all."""
    return {name: layout(built(models, name)) for name in NAMES}


def _backbone(torch: Any, detection: Any) -> Any:
    """A small network with a pyramid of three maps of 32 channels."""
    nn = torch.nn
    body = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
    pyramid = detection.backbone_utils.BackboneWithFPN
    return pyramid(body, {"1": "0", "3": "1"}, [8, 16], 32)


def _with_regions(torch: Any, ops: Any, detection: Any, kind: str) -> Any:
    """Faster, Mask or Keypoint R-CNN with small heads."""
    faster, mask, keypoint = (
        detection.faster_rcnn, detection.mask_rcnn, detection.keypoint_rcnn
    )  # fmt: skip
    anchors = detection.anchor_utils.AnchorGenerator(((16,), (32,), (48,)), ((0.5, 1.0, 2.0),) * 3)
    more: dict[str, Any] = {}
    if kind == "mask":
        more = {
            "mask_roi_pool": ops.MultiScaleRoIAlign(["0", "1"], 6, 2),
            "mask_head": mask.MaskRCNNHeads(32, (16, 16), 1),
            "mask_predictor": mask.MaskRCNNPredictor(16, 12, 4),
        }
    elif kind == "keypoint":
        more = {
            "keypoint_roi_pool": ops.MultiScaleRoIAlign(["0", "1"], 6, 2),
            "keypoint_head": keypoint.KeypointRCNNHeads(32, (16, 16)),
            "keypoint_predictor": keypoint.KeypointRCNNPredictor(16, 3),
        }
    classes = {
        "faster": faster.FasterRCNN,
        "mask": mask.MaskRCNN,
        "keypoint": keypoint.KeypointRCNN,
    }
    return classes[kind](
        _backbone(torch, detection), min_size=(56, 64), max_size=90,
        rpn_anchor_generator=anchors, rpn_post_nms_top_n_train=40, rpn_post_nms_top_n_test=20,
        rpn_batch_size_per_image=64, box_batch_size_per_image=24, box_detections_per_img=6,
        box_score_thresh=0.1, box_roi_pool=ops.MultiScaleRoIAlign(["0", "1"], 5, 2),
        box_head=faster.TwoMLPHead(32 * 25, 24), box_predictor=faster.FastRCNNPredictor(24, 4),
        **more,
    )  # fmt: skip


def _of_one_step(torch: Any, detection: Any, kind: str) -> Any:
    """RetinaNet, FCOS or SSD on small networks."""
    generators = detection.anchor_utils
    if kind == "ssd":
        nn, boxes = torch.nn, generators.DefaultBoxGenerator([[2], [2, 3]])
        body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()
        )
        getter = detection.backbone_utils.IntermediateLayerGetter
        backbone = getter(body, {"1": "0", "3": "1"})
        return detection.ssd.SSD(backbone, boxes, (64, 48), 4, detections_per_img=8)
    backbone = _backbone(torch, detection)
    size = {"min_size": 64, "max_size": 90, "detections_per_img": 6, "score_thresh": 0.005}
    if kind == "fcos":
        anchors = generators.AnchorGenerator(((4,), (8,), (16,)), ((1.0,),) * 3)
        return detection.FCOS(backbone, 4, anchor_generator=anchors, **size)
    anchors = generators.AnchorGenerator(((8, 12), (16, 24), (32, 48)), ((0.5, 1.0, 2.0),) * 3)
    head = detection.retinanet.RetinaNetHead(32, 6, 4, norm_layer=None)
    head.regression_head._loss_type = "giou" if kind == "retina giou" else "l1"
    return detection.RetinaNet(backbone, 4, anchor_generator=anchors, head=head, **size)


SMALL = ("faster", "mask", "keypoint", "retina", "retina giou", "fcos", "ssd")


def _targets(torch: Any, kind: str, some: bool) -> list[dict[str, Any]]:
    """What is in two pictures of 70x90 and 96x80; in the first, nothing unless `some`."""
    found = []
    boxes = [[5.0, 8, 40, 50], [30, 20, 75, 66], [10, 30, 28, 52]]
    for (height, width), count in (((70, 90), 3 if some else 0), ((96, 80), 2)):
        corners = torch.tensor(boxes[:count], dtype=torch.float64).reshape(-1, 4)
        labels = torch.arange(1, count + 1)
        target = {"boxes": corners, "labels": labels}
        if kind == "mask":
            masks = torch.zeros(count, height, width, dtype=torch.uint8)
            for one, (x, y, right, below) in zip(masks, boxes):
                one[int(y) + 3 : int(below), int(x) : int(right) - 4] = 1
            target["masks"] = masks
        if kind == "keypoint":
            middle = (corners[:, None, :2] + corners[:, None, 2:]) / 2
            steps = torch.tensor([[0.0, 0.0], [5.0, -3.0], [70.0, 0.0]])
            points = torch.cat((middle + steps, torch.ones(count, 3, 1)), -1)
            target["keypoints"] = points.float()
        found.append(target)
    return found


def answers(torch: Any, models: Any, ops: Any, kind: str, some: bool = True) -> dict[str, Any]:
    """First weights, losses and gradients of a step, and what is found, of a small detector."""
    detection = models.detection
    torch.manual_seed(11)
    if kind in ("faster", "mask", "keypoint"):
        net = _with_regions(torch, ops, detection, kind)
    else:
        net = _of_one_step(torch, detection, kind)
    first = [float(p.detach().double().abs().sum()) for p in net.parameters()]
    net = net.double()
    torch.manual_seed(5)
    pictures = [torch.rand(3, 70, 90).double(), torch.rand(3, 96, 80).double()]
    losses = net.train()(pictures, _targets(torch, kind, some))
    sum(losses.values()).backward()
    slopes = [float(p.grad.abs().sum()) for p in net.parameters() if p.grad is not None]
    with torch.no_grad():
        found = net.eval()(pictures)
    told = [
        {
            name: value.tolist() if name != "masks" else value.sum((1, 2, 3)).tolist()
            for name, value in sorted(one.items())
        }
        for one in found
    ]
    told_losses = {name: float(value.detach()) for name, value in losses.items()}
    return {"first": first, "losses": told_losses, "slopes": slopes, "found": told}


# Networks whose scores and gradients are compared: name, arguments, shape of the input.
WHOLE = {
    "lraspp": ("lraspp_mobilenet_v3_large", {"num_classes": 3, "weights_backbone": None},
               (2, 3, 40, 48)),
    "deeplab": ("deeplabv3_mobilenet_v3_large",
                {"num_classes": 3, "weights_backbone": None, "aux_loss": True}, (2, 3, 40, 33)),
    "mobile": ("mobilenet_v3_small", {"num_classes": 5, "width_mult": 0.5}, (2, 3, 40, 40)),
    "mixed": ("mc3_18", {"num_classes": 3}, (2, 3, 3, 20, 20)),
    "split": ("r2plus1d_18", {"num_classes": 3}, (2, 3, 2, 32, 32)),
}  # fmt: skip


def whole(torch: Any, models: Any, case: str) -> dict[str, Any]:
    """First weights, and scores while training and after, in double precision."""
    name, arguments, shape = WHOLE[case]
    torch.manual_seed(11)
    net = models.get_model(name, **arguments)
    first = [float(p.detach().double().abs().sum()) for p in net.parameters()]
    net = net.double()
    torch.manual_seed(5)
    x = torch.randn(*shape).double()
    scores = net.train()(x)
    sum((one**2).mean() for one in _all(scores)).backward()
    slopes = [float(p.grad.abs().sum()) for p in net.parameters()]
    with torch.no_grad():
        after = [float(one.abs().sum()) for one in _all(net.eval()(x))]
    during = [float(one.detach().abs().sum()) for one in _all(scores)]
    return {"first": first, "during": during, "slopes": slopes, "after": after}


def _all(scores: Any) -> list[Any]:
    return list(scores.values()) if isinstance(scores, dict) else [scores]

"""What is asked of torchvision's operations on feature maps, and their layers."""

from __future__ import annotations

from typing import Any

CASES = """
ops.deform_conv2d(x,off(18),w(6,4,3,3),padding=1)
ops.deform_conv2d(x,off(18),w(6,4,3,3),w(6),padding=1,mask=mask(9))
ops.deform_conv2d(x,off(36),w(6,2,3,3),padding=1,mask=mask(18))
ops.deform_conv2d(x,off(12,3,4),w(2,4,2,3),stride=2,padding=(0,1),dilation=(2,1))
ops.deform_conv2d(x,off(12,2,4),w(2,4,2,3),stride=2,padding=(0,1),dilation=(2,1))
ops.deform_conv2d(x,off(8)*9,w(6,1,2,2)[:4],padding=(1,1),dilation=(2,2))
ops.deform_conv2d(x,off(10),w(6,4,3,3))
ops.DeformConv2d(4,6,3,padding=1,groups=2)(x,off(18),mask(9))
ops.DeformConv2d(4,6,(3,2),stride=2,padding=1,dilation=2,groups=2,bias=False)
ops.ps_roi_align(x,rois,2)
ops.ps_roi_align(x,rois,(1,2),0.5,2)
ops.ps_roi_pool(x.detach(),rois,2)
ops.ps_roi_pool(x.detach(),rois,(2,1),0.7)
ops.ps_roi_pool(x.detach(),[rois[:2,1:],rois[2:,1:]],2)
ops.ps_roi_align(x,rois,3)
ops.PSRoIAlign(2,0.5,2)
ops.PSRoIPool(2,0.5)(x.detach(),rois)
ops.roi_align(x,rois,3)
ops.roi_align(x,rois,(2,3),0.5,2,True)
ops.roi_pool(x,rois,3)
ops.roi_pool(x,rois,(2,3),0.7)
ops.MultiScaleRoIAlign(['a','b'],2,2)(maps,[rois[:2,1:]*9,rois[2:,1:]*4],[(64,80),(60,72)])
ops.MultiScaleRoIAlign(['b'],(1,2),2)(maps,[rois[:2,1:]*9,rois[2:,1:]*4],[(64,80),(60,72)])
ops.MultiScaleRoIAlign(['a','b'],3,0,canonical_scale=30,canonical_level=3)(maps,[rois[:,1:]*3],[(64,80)])
ops.MultiScaleRoIAlign(['a','b'],3,-1)
ops.FeaturePyramidNetwork([4,4],5)(two)
ops.FeaturePyramidNetwork([4,4],5,fpn.LastLevelMaxPool())(two)
ops.FeaturePyramidNetwork([4,4],5,fpn.LastLevelP6P7(5,5),torch.nn.BatchNorm2d)(two)
ops.FeaturePyramidNetwork([4,4],5,fpn.LastLevelP6P7(4,5))
ops.FeaturePyramidNetwork([4,0],5)
ops.FeaturePyramidNetwork([4,4],5,3)
ops.drop_block2d(x,0.3,3)
ops.drop_block2d(x,0.3,2)
ops.drop_block2d(x,1.3,3)
ops.drop_block3d(x[None],0.3,1)
ops.drop_block2d(x[0],0.3,3)
ops.DropBlock2d(0.2,3)(x)
ops.DropBlock3d(0.2,3)
ops.Conv3dNormActivation(4,3)
ops.Conv3dNormActivation(4,3,1,norm_layer=None)(x[None].transpose(1,2))
ops.nms(rois[:,1:],torch.rand(4),0.3)
ops.batched_nms(rois[:,1:],torch.rand(4),torch.tensor([0,0,1,1]),0.3)
ops.complete_box_iou(rois[:,1:],rois[:,1:]+1)
ops.sigmoid_focal_loss(x,(x>0).float(),reduction='mean')
ops.complete_box_iou_loss(rois[:,1:],rois[:,1:]+1,'sum')
ops.masks_to_boxes(x[0]>1)
ops.box_convert(torch.tensor([[1.0,2,4,6,30],[0,0,2,3,-100]]),'xywhr','cxcywhr')
ops.box_convert(torch.tensor([[1.0,2,4,6,30],[0,0,2,3,-100]]),'xywhr','xyxyxyxy')
ops.box_convert(torch.tensor([[1.0,2,5,3,9,7,0,6]]),'xyxyxyxy','xywhr')
ops.box_convert(torch.tensor([[1.0,2,5,3,9,7,0,6]]),'xyxyxyxy','cxcywhr')
ops.box_convert(torch.tensor([[1.0,2,4,6,30],[0,0,2,3,-100]]),'xywhr','xywhr')
ops.box_convert(torch.tensor([[1.0,2,4,6,30],[0,0,2,3,-100]]),'cxcywhr','xyxyxyxy')
ops.box_convert(torch.tensor([[1.0,2,4,6,30],[0,0,2,3,-100]]),'cxcywhr','xywhr')
ops.box_convert(torch.tensor([[1,2,4,6,30]]),'cxcywhr','xyxyxyxy')
ops.box_convert(torch.tensor([[1,2,5,3,9,7,0,6]]),'xyxyxyxy','xywhr')
ops.box_convert(torch.tensor([[1.0,2,4,6,30]]).double(),'xywhr','cxcywhr')
ops.box_convert(torch.ones(1,5),'xywhr','xyxy')
ops.box_convert(torch.ones(1,4),'xyxy','abc')
""".split()


def names(torch: Any, ops: Any) -> dict[str, Any]:
    """What the cases go by; small tensors, the same in every library."""

    def wave(*shape: int, step: float = 0.7) -> Any:
        count = torch.arange(torch.Size(shape).numel(), dtype=torch.float32)
        return torch.sin(count * count * step * 0.01 + count).reshape(*shape) * 1.5

    x = wave(2, 4, 6, 7).requires_grad_()
    rois = [[0, 0.3, 0.6, 4, 5.2], [0, 2, 1, 6.5, 3], [1, 0, 0, 3, 3], [1, 3.2, 2.7, 8, 9]]
    return {
        "torch": torch, "ops": ops, "fpn": ops.feature_pyramid_network, "x": x,
        "off": lambda count, h=6, w=7: wave(2, count, h, w, step=0.3),
        "mask": lambda count: wave(2, count, 6, 7, step=0.2).sigmoid(),
        "w": lambda *shape: wave(*shape, step=0.5),
        "rois": torch.tensor(rois),
        "two": {"a": wave(2, 4, 16, 20), "b": wave(2, 4, 8, 10)},
        "maps": {"a": wave(2, 4, 16, 20), "b": wave(2, 4, 8, 10), "c": wave(2, 4, 4, 5)},
    }  # fmt: skip


def _told(torch: Any, y: Any) -> Any:
    if isinstance(y, dict):
        return {name: _told(torch, value) for name, value in y.items()}
    if isinstance(y, torch.Tensor):
        return [str(y.dtype), list(y.shape), y.detach().flatten()[:60].tolist(), float(y.sum())]
    return repr(y)


def answer(torch: Any, ops: Any, case: str) -> Any:
    """What a case gives and the gradient of x, or the error."""
    torch.manual_seed(3)
    given = names(torch, ops)
    try:
        y = eval(case.replace("off(8)*9", "off(8,6,7)*9"), given)
        found = [_told(torch, y)]
        if isinstance(y, torch.Tensor) and y.requires_grad:
            (y * torch.arange(y.numel(), dtype=y.dtype).reshape(y.shape).cos()).sum().backward()
            found.append(_told(torch, given["x"].grad))
        return found
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"[:90]

"""What is asked of torchvision's second set of transforms, and what is noted of an answer."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    from .transform_cases import COLOUR, GREY, told
except ImportError:  # as a script
    from transform_cases import COLOUR, GREY, told

MAKERS = """
Resize(20)
Resize((20,30),InterpolationMode.BICUBIC)
Resize([13],max_size=15)
Resize(None,max_size=30)
Resize((60,70),'nearest',antialias=False)
CenterCrop(30)
CenterCrop((60,20))
Pad(3)
Pad((1,2),fill=7)
Pad((1,2,3,4),fill={'others':1,tv.Image:[1,2,3]})
RandomCrop(20)
RandomCrop((45,52),pad_if_needed=True)
RandomCrop(30,padding=4,fill=9)
RandomCrop((30,50),padding=(0,3))
RandomHorizontalFlip(1.0)
RandomHorizontalFlip()
RandomVerticalFlip(1.0)
RandomResizedCrop(24)
RandomResizedCrop((20,31),scale=(0.2,0.4))
RandomZoomOut(p=1.0,fill=3)
RandomIoUCrop()
ScaleJitter((30,44))
RandomShortestSize([20,30],max_size=40)
RandomResize(15,33)
RandomRotation(30)
RandomRotation((10,20),expand=True)
RandomRotation((-90,-90),expand=True)
RandomRotation(45,center=[3,4],fill=2)
RandomAffine(20,translate=(0.1,0.2),scale=(0.8,1.2),shear=10)
RandomAffine((0,90),shear=(1,9,2,8),center=[10,5],fill=1)
RandomPerspective(p=1.0)
RandomPerspective(0.3,p=1.0,interpolation='nearest')
ElasticTransform()
ElasticTransform([20.,90.],4.)
ConvertBoundingBoxFormat('xywh')
ConvertBoundingBoxFormat('CXCYWH')
ClampBoundingBoxes()
ClampKeyPoints()
Compose([v2.SetClampingMode(None),v2.CenterCrop(14)])
SanitizeBoundingBoxes()
SanitizeBoundingBoxes(min_size=9,labels_getter=None)
Compose([v2.RandomCrop(17),v2.SanitizeBoundingBoxes(labels_getter=lambda_labels)])
SanitizeKeyPoints()
ToPureTensor()
ToDtype(torch.float32,scale=True)
ToDtype({tv.Image:torch.float32,'others':None},scale=True)
ToDtype({tv.Image:torch.float32,tv.Mask:torch.int64,'others':torch.float64})
ConvertImageDtype(torch.float64)
ColorJitter(0.4,0.4,0.4,0.2)
RandomErasing(1.0)
GaussianBlur(5)
RandomOrder([v2.RandomCrop(30),v2.RandomHorizontalFlip()])
RandomChoice([v2.RandomCrop(30),v2.RandomCrop(20)],p=[1,3])
RandomApply([v2.RandomCrop(30),v2.RandomVerticalFlip()],0.8)
Identity()
""".split()
PICTURE_MAKERS = """
FiveCrop(16)
TenCrop(16)
Pad(2,padding_mode='reflect')
Pad((1,2,3,4),fill=[1,2,3])
ColorJitter(brightness=(0.5,1.5))
ColorJitter(0.4,0.4,0.4,0.2)
Grayscale()
Grayscale(3)
RandomGrayscale(1.0)
RGB()
RandomChannelPermutation()
RandomPhotometricDistort()
RandomPhotometricDistort(p=1.0)
RandomEqualize(1.0)
RandomInvert(1.0)
RandomPosterize(3,1.0)
RandomSolarize(0.5,1.0)
RandomAutocontrast(1.0)
RandomAdjustSharpness(2.0,1.0)
RandomErasing(1.0,value='random')
RandomErasing(1.0,value=[1,2,3])
GaussianBlur((3,5),sigma=0.7)
GaussianNoise()
GaussianNoise(0.1,0.3,clip=False)
Normalize([0.5]*3,[0.2]*3)
AutoAugment()
AutoAugment(v2.AutoAugmentPolicy.CIFAR10)
AutoAugment(v2.AutoAugmentPolicy.SVHN,fill=5)
RandAugment()
RandAugment(4,12)
TrivialAugmentWide()
AugMix()
ToImage()
PILToTensor()
ToPILImage()
ToTensor()
ToDtype(torch.uint8,scale=True)
ToDtype(torch.int16,scale=True)
Lambda(type)
Compose([v2.ToImage(),v2.ToDtype(torch.float32,scale=True),v2.Normalize([0.5],[0.2])])
Compose([v2.ToImage(),v2.RandomResizedCrop(24),v2.RandomHorizontalFlip(),v2.RandomErasing(0.9)])
""".split()
BATCH_MAKERS = """
MixUp(num_classes=5)
MixUp(alpha=0.3,num_classes=5)
CutMix(num_classes=5)
CutMix(alpha=0.4,num_classes=5)
CutMix()
RandomChoice([v2.CutMix(num_classes=5),v2.MixUp(num_classes=5)])
""".split()
WRONG = """
v2.Resize('a') v2.Resize([1,2,3]) v2.Resize(None) v2.Pad('a') v2.Pad(1,fill='red')
v2.Pad(1,padding_mode='x') v2.RandomCrop(100)(x) v2.RandomHorizontalFlip(2.) v2.Compose([])
v2.Compose(3) v2.RandomChoice([v2.Identity()],p=[1,2]) v2.RandomApply([],0.5)
v2.RandomRotation(-3) v2.RandomAffine(3,translate=(2,2)) v2.RandomPerspective(3)
v2.ElasticTransform('a') v2.GaussianBlur(4) v2.GaussianBlur(3,(2,1)) v2.JPEG(0) v2.JPEG(True)
v2.RandomErasing(value='x') v2.SanitizeBoundingBoxes(min_size=0) v2.SetClampingMode('a')
v2.ToDtype('float') v2.FiveCrop(3)(sample) v2.RandAugment(-1) v2.RandAugment()(sample)
v2.AugMix(20) v2.RandomZoomOut(side_range=(0.5,1)) v2.MixUp()(x,3) v2.Normalize([1],[1])(x)
v2.RandomIoUCrop()(x) v2.SanitizeBoundingBoxes()(x) v2.RandomResizedCrop(3,scale=1)
v2.functional.convert_bounding_box_format(x) v2.functional.clamp_keypoints(x)
v2.functional.convert_bounding_box_format(x,new_format='xyxy')
v2.functional.resize(x,3,'linear') v2.functional.adjust_hue(tv.Mask(x),0.1)
v2.functional.perspective(x,None,None) v2.RandomErasing(1.,value=[1,2])(x)
v2.query_size([]) v2.query_chw([x,x[:,1:]]) v2.get_bounding_boxes([]) tv.Image(x[0,0])
tv.BoundingBoxes(x,format='XYXY',canvas_size=(1,1))
""".split()
FORMATS = ("XYXY", "XYWH", "CXCYWH")
BOXES = [[3, 4, 20, 30], [10, 2, 15, 9], [0, 0, 50, 40], [30, 20, 49, 39], [5, 5, 6, 6]]
POINTS = [[[0, 0], [49, 39]], [[10, 30], [25, 7]], [[44, 3], [2, 2]]]


def sample(torch: Any, tv: Any, name: str, dtype: Any) -> dict[str, Any]:
    """A picture, a video, boxes of a form, points, two kinds of masks, and more, by name."""
    bytes_ = torch.from_numpy(np.ascontiguousarray(COLOUR.transpose(2, 0, 1)))
    grey = torch.from_numpy(GREY.copy())
    boxes = torch.tensor(BOXES, dtype=dtype)
    if name != "XYXY":
        boxes[:, 2:] -= boxes[:, :2]
    if name == "CXCYWH":
        boxes[:, :2] += boxes[:, 2:] // 2
    return {
        "image": tv.Image(bytes_),
        "boxes": tv.BoundingBoxes(boxes, format=name, canvas_size=(40, 50)),
        "points": tv.KeyPoints(torch.tensor(POINTS, dtype=dtype), canvas_size=(40, 50)),
        "masks": tv.Mask(torch.stack([grey > 9 * k for k in range(5)])),
        "classes": tv.Mask(grey // 20),
        "video": [tv.Video(torch.stack([bytes_, bytes_.flip(1)]))],
        "labels": torch.arange(5),
        "other": ("text", 3.5),
    }


def noted(torch: Any, y: Any) -> Any:
    """As `told`, with the class of a tensor, and all of boxes and points."""
    if isinstance(y, dict):
        return {key: noted(torch, value) for key, value in y.items()}
    if isinstance(y, tuple | list):
        return [noted(torch, value) for value in y]
    if isinstance(y, type):
        return y.__name__
    kind = type(y).__name__
    if kind == "BoundingBoxes":
        about = f"{y.format} {tuple(y.canvas_size)} {y.clamping_mode} {y.dtype}"
        return [about, torch.Tensor.tolist(y)]
    if kind == "KeyPoints":
        return [f"{tuple(y.canvas_size)} {y.dtype}", torch.Tensor.tolist(y)]
    return [kind, told(y)] if isinstance(y, torch.Tensor) else told(y)


def asked(torch: Any, image: Any, v2: Any, tv: Any) -> dict[str, Any]:
    """All cases by name, each a function without arguments."""
    names = {"torch": torch, "v2": v2, "tv": tv, "InterpolationMode": v2.InterpolationMode,
             "lambda_labels": lambda found: found["labels"]}  # fmt: skip
    pictures = {
        "pil": lambda: image.fromarray(COLOUR),
        "grey": lambda: image.fromarray(GREY),
        "array": lambda: COLOUR.copy(),
        "bytes": lambda: sample(torch, tv, "XYXY", torch.int64)["image"].as_subclass(torch.Tensor),
        "float": lambda: sample(torch, tv, "XYXY", torch.int64)["image"].float() / 256,
        "image": lambda: sample(torch, tv, "XYXY", torch.int64)["image"],
        "video": lambda: sample(torch, tv, "XYXY", torch.int64)["video"][0],
    }

    def one(text: str, *inputs: Any) -> Any:
        return lambda: eval(f"v2.{text}", names)(*(make() for make in inputs))

    makers = [text for text in MAKERS + PICTURE_MAKERS + BATCH_MAKERS if "lambda" not in text]
    cases = {f"{text} repr": lambda text=text: repr(eval(f"v2.{text}", names)) for text in makers}
    for text in MAKERS:
        for name in FORMATS:
            for dtype in (torch.float32, torch.int64):
                made = lambda name=name, dtype=dtype: sample(torch, tv, name, dtype)
                cases[f"{text} {name} {dtype}"] = one(text, made)
    for text in PICTURE_MAKERS:
        cases |= {f"{text} {name}": one(text, make) for name, make in pictures.items()}
    floats = lambda: torch.stack([pictures["float"]() * k for k in (1, 0.5, 0.25)])
    cases |= {f"{text} batch": one(text, floats, lambda: torch.tensor([0, 4, 2]))
              for text in BATCH_MAKERS}  # fmt: skip
    shares = lambda: torch.eye(3)[:, [0, 1, 2, 0, 1]]
    cases |= {f"{text} shares": one(text, lambda: tv.Image(floats()), shares)
              for text in BATCH_MAKERS}  # fmt: skip
    whole = lambda: sample(torch, tv, "XYXY", torch.int64)
    for text in WRONG:
        cases[text] = lambda text=text: eval(
            text, names | {"x": pictures["bytes"](), "sample": whole()}
        )
    return cases


def answer(torch: Any, case: Any) -> Any:
    """What a case gives, or the error; "torch" and "torchvision" for whatever library it is."""
    torch.manual_seed(3)
    try:
        return noted(torch, case())
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else ""
        return f"{type(error).__name__}: {first}".replace("rushlight.vision", "torchvision")[:80]

"""What is asked of torchvision's transforms, and what is noted of an answer."""

from __future__ import annotations

from typing import Any

import numpy as np

RANDOM = np.random.RandomState(0)
COLOUR = RANDOM.randint(0, 256, (40, 50, 3), dtype=np.uint8)
GREY = RANDOM.randint(0, 256, (40, 50), dtype=np.uint8)
BATCH = RANDOM.randint(0, 256, (2, 3, 20, 24)).astype(np.float32) / 256
PICTURES = ("colour", "grey", "float", "bytes", "batch")
MAKERS = """
Resize(20)
Resize((20,30))
Resize(20,max_size=24)
Resize((60,70),InterpolationMode.NEAREST)
Resize((20,30),InterpolationMode.BICUBIC)
Resize(25,antialias=False)
CenterCrop(30)
CenterCrop((60,20))
Pad(3)
Pad((1,2),fill=7)
Pad((1,2,3,4),padding_mode='reflect')
Pad(2,padding_mode='edge')
Pad(2,padding_mode='symmetric')
RandomCrop(20)
RandomCrop(45,pad_if_needed=True)
RandomCrop(30,padding=4)
RandomHorizontalFlip()
RandomVerticalFlip(1.0)
RandomResizedCrop(24)
FiveCrop(16)
TenCrop(16)
ColorJitter(0.4,0.4,0.4,0.2)
ColorJitter(brightness=(0.5,1.5))
RandomRotation(30)
RandomRotation((10,20),expand=True)
RandomRotation(30,InterpolationMode.BILINEAR)
RandomAffine(20,translate=(0.1,0.2),scale=(0.8,1.2),shear=10)
Grayscale()
Grayscale(3)
RandomGrayscale(1.0)
RandomPerspective(p=1.0)
RandomErasing(p=1.0)
RandomErasing(p=1.0,value='random')
GaussianBlur(5,sigma=1.5)
GaussianBlur((3,5))
RandomInvert(1.0)
RandomPosterize(3,1.0)
RandomSolarize(120,1.0)
RandomAdjustSharpness(2.0,1.0)
RandomAutocontrast(1.0)
RandomEqualize(1.0)
ElasticTransform()
AutoAugment()
RandAugment()
TrivialAugmentWide()
AugMix()
ToTensor()
PILToTensor()
ConvertImageDtype(torch.float32)
ConvertImageDtype(torch.uint8)
ToPILImage()
Normalize([0.5]*3,[0.2]*3)
RandomApply([T.Pad(2)],0.7)
RandomOrder([T.Pad(2),T.CenterCrop(20)])
RandomChoice([T.Pad(2),T.CenterCrop(20)])
Compose([T.Resize(20),T.ToTensor()])
""".split()
CALLS = """
adjust_brightness(x,1.5) adjust_contrast(x,0.5) adjust_saturation(x,2.0) adjust_hue(x,0.2)
adjust_gamma(x,2.2) adjust_sharpness(x,0.3) affine(x,15,[2,3],1.2,[5]) autocontrast(x)
center_crop(x,[12]) convert_image_dtype(x,torch.float64) crop(x,3,4,10,12) equalize(x)
erase(x,1,2,3,4,5.) five_crop(x,[10]) gaussian_blur(x,[3,3]) get_dimensions(x)
get_image_num_channels(x) get_image_size(x) hflip(x) invert(x) normalize(x,[.1],[.2]) pad(x,[1])
perspective(x,[[0,0],[49,0],[49,39],[0,39]],[[2,3],[45,1],[47,35],[3,38]]) posterize(x,4)
resize(x,[10,14]) resized_crop(x,2,3,20,22,[11,9]) rgb_to_grayscale(x) rotate(x,33.)
rotate(x,33.,expand=True,fill=3) solarize(x,0.5) ten_crop(x,[10]) to_grayscale(x) to_tensor(x)
vflip(x) to_pil_image(x)
""".split()
SECOND = [
    f"resize(x,{size},{mode},antialias={smooth})"
    for size in ("[20,25]", "[13]", "[60,71]", "[7,90]")
    for mode in (0, 2, 3)
    for smooth in (True, False)
] + ["resized_crop(x,2,3,20,22,[11,9])", "erase(x,1,2,3,4,5.)", "to_grayscale(x)"]
CASES = (
    [f"T.{maker}(x)" for maker in MAKERS]
    + [f"F.{call}" for call in CALLS]
    + [f"F2.{call}" for call in SECOND]
)


def picture(torch: Any, image: Any, name: str) -> Any:
    """The picture of that name, through torch's and Pillow's own functions."""
    if name in ("colour", "grey"):
        return image.fromarray(COLOUR if name == "colour" else GREY)
    if name == "batch":
        return torch.from_numpy(BATCH)
    array = np.ascontiguousarray(COLOUR.transpose(2, 0, 1))
    return torch.from_numpy(array if name == "bytes" else array.astype(np.float32) / 256)


def told(y: Any) -> Any:
    """Kind, shape, sum, spread and a sum of some places."""
    if isinstance(y, tuple | list):
        return [told(value) for value in y]
    if isinstance(y, int | float | str):
        return y
    if hasattr(y, "getbands"):
        head, array = f"{y.mode} {y.size}", np.asarray(y)
    else:
        head = f"{y.dtype} {tuple(y.shape)}".removeprefix("torch.").removeprefix("rushlight.")
        array = y.numpy()
    array = array.astype(np.float64).ravel()
    sums = array.sum(), array.std(), array[::97].sum()
    return [head, *(float(f"{value:.6g}") for value in sums)]


def answer(torch: Any, image: Any, names: dict[str, Any], case: str, name: str) -> Any:
    """What `case` gives for a picture, or the error."""
    torch.manual_seed(3)
    np.random.seed(3)
    try:
        return told(eval(case, names | {"x": picture(torch, image, name)}))
    except Exception as error:
        first = str(error).splitlines()[0][:100] if str(error) else ""
        own = f"'{torch.__name__}."
        return f"{type(error).__name__}: {first}".replace(own, "'torch.")

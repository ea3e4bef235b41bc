"""Transforms: the three kinds of picture agree, and Pillow is the measure of bytes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import rushlight as rl
from rushlight.vision import transforms as T
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms.functional.kinds import from_array, to_array

SIDE = st.integers(1, 40)


def noise(height, width, channels=3, seed=0):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def apart(a, b):
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).max(initial=0))


@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([1, 3]), st.sampled_from(["bilinear", "bicubic"]))
@settings(deadline=None, max_examples=80)
def test_byte_resize_is_pillows(h, w, new_h, new_w, channels, mode):
    array = noise(h, w, channels, seed=h * w)
    mode = T.InterpolationMode(mode)
    resize = T.Resize((new_h, new_w), mode)
    wanted = np.asarray(resize(Image.fromarray(array)))
    rows_first = resize(array)
    # Pillow 13 may take the columns first when the height shrinks
    columns_first = T.Resize((new_w, new_h), mode)(array.swapaxes(0, 1)).swapaxes(0, 1)
    shrinks = new_h < h and (h, new_h) != (w, new_w)
    assert np.array_equal(rows_first, wanted) or (shrinks and np.array_equal(columns_first, wanted))
    tensor = from_array(array)  # which torchvision resizes as floating numbers
    floating = resize(tensor.float()).clamp(0, 255).round().to(rl.uint8)
    assert bool((resize(tensor) == floating).all())


@given(SIDE, SIDE, SIDE, SIDE)
@settings(deadline=None, max_examples=40)
def test_nearest_resize_of_arrays_is_pillows(h, w, new_h, new_w):
    array = noise(h, w)
    resize = T.Resize((new_h, new_w), T.InterpolationMode.NEAREST)
    assert np.array_equal(resize(array), np.asarray(resize(Image.fromarray(array))))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("antialias", [True, False])
def test_float_resize_keeps_a_constant_and_passes_gradients(mode, antialias):
    resize = T.Resize((7, 50), T.InterpolationMode(mode), antialias=antialias)
    assert resize(rl.full((2, 3, 20, 30), 0.25)).numpy() == pytest.approx(0.25, abs=1e-6)
    x = rl.rand(1, 5, 6, requires_grad=True)
    T.Resize((5, 3), T.InterpolationMode(mode), antialias=antialias)(x).sum().backward()
    assert float(x.grad.sum()) == pytest.approx(15, abs=1e-4)


@pytest.mark.parametrize(
    ("shape", "size", "max_size", "result"),
    [
        ((20, 30), 10, None, (10, 15)),
        ((30, 20), 10, None, (15, 10)),
        ((30, 20), [10], None, (15, 10)),
        ((30, 20), 10, 12, (12, 8)),
        ((7, 5), (5, 7), None, (5, 7)),
        ((28, 28), 64, None, (64, 64)),
    ],
)
def test_size_after_resize(shape, size, max_size, result):
    array = noise(*shape, 1)
    resize = T.Resize(size, max_size=max_size)
    assert resize(array).shape == result
    assert tuple(resize(from_array(array)).shape) == (1, *result)
    assert resize(Image.fromarray(array)).size == result[::-1]


SAME = {
    "crop inside": lambda x: F.crop(x, 2, 3, 5, 4),
    "crop over the edge": lambda x: F.crop(x, -2, 5, 30, 40),
    "crop wholly outside": lambda x: F.crop(x, 50, 50, 3, 4),
    "crop before the start": lambda x: F.crop(x, -9, -9, 4, 5),
    "center crop": lambda x: F.center_crop(x, (5, 8)),
    "center crop odd": lambda x: F.center_crop(x, 6),
    "center crop larger": lambda x: F.center_crop(x, (20, 3)),
    "hflip": F.hflip,
    "vflip": F.vflip,
    "pad one": lambda x: F.pad(x, 2),
    "pad two": lambda x: F.pad(x, [1, 3], fill=7),
    "pad four": lambda x: F.pad(x, (1, 2, 3, 4), padding_mode="edge"),
    "pad reflect": lambda x: F.pad(x, (3, 2), padding_mode="reflect"),
    "pad symmetric": lambda x: F.pad(x, (5, 1, 0, 2), padding_mode="symmetric"),
    "invert": F.invert,
    "five crop": lambda x: F.five_crop(x, 4)[3],
    "ten crop": lambda x: F.ten_crop(x, (4, 6), vertical_flip=True)[7],
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("channels", [1, 3])
def test_place_transforms_agree_on_the_three_kinds(name, channels):
    array = noise(12, 11, channels)
    wanted = np.asarray(SAME[name](Image.fromarray(array)))
    assert np.array_equal(SAME[name](array), wanted)
    tensor = from_array(array)
    before = tensor.clone()
    assert np.array_equal(to_array(SAME[name](tensor), array.ndim), wanted)
    assert bool((tensor == before).all())
    batch = SAME[name](rl.stack([tensor, tensor]))
    assert np.array_equal(to_array(batch[1], array.ndim), wanted)


CLOSE = {
    "brightness": (lambda x: F.adjust_brightness(x, 1.7), 1),
    "darker": (lambda x: F.adjust_brightness(x, 0.3), 1),
    "contrast": (lambda x: F.adjust_contrast(x, 0.4), 1),
    "saturation": (lambda x: F.adjust_saturation(x, 1.6), 2),
    "grey": (lambda x: F.rgb_to_grayscale(x, 3), 1),
    "gamma": (lambda x: F.adjust_gamma(x, 2.2, 0.9), 1),
    "hue": (lambda x: F.adjust_hue(x, 0.3), 12),
    "resized crop": (lambda x: F.resized_crop(x, 1, 2, 8, 9, (5, 5)), 1),
}


@pytest.mark.parametrize("name", CLOSE)
def test_colour_transforms_agree_up_to_rounding(name):
    change, tolerance = CLOSE[name]
    array = noise(9, 10)
    wanted = np.asarray(change(Image.fromarray(array)))
    assert apart(change(array), wanted) <= tolerance
    assert apart(to_array(change(from_array(array)), 3), wanted) <= tolerance


def test_hue_turns_red_to_green_to_blue():
    red = rl.tensor([1.0, 0.0, 0.0])[:, None, None]
    assert F.adjust_hue(red, 1 / 3).flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-5)
    assert F.adjust_hue(red, -1 / 3).flatten().tolist() == pytest.approx([0, 0, 1], abs=1e-5)


@given(st.floats(-0.5, 0.5), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_hue_back_and_forth_is_nothing(turn, seed):
    x = from_array(noise(4, 5, seed=seed)).to(rl.float32) / 255
    there = F.adjust_hue(F.adjust_hue(x, turn), -turn)
    assert there.numpy() == pytest.approx(x.numpy(), abs=1e-4)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 3)])
def test_to_tensor_scales_bytes_only(shape):
    array = noise(3, 4, 1).reshape(3, 4, *[1] * (len(shape) - 2)) * np.ones(shape, np.uint8)
    tensor = T.ToTensor()(array)
    assert tensor.dtype == rl.float32 and tuple(tensor.shape) == (*(shape[2:] or (1,)), 3, 4)
    assert tensor.numpy() == pytest.approx(np.atleast_3d(array).transpose(2, 0, 1) / 255)
    assert T.ToTensor()(array.astype(np.int32)).dtype == rl.int32
    array[:] = 0
    assert tensor.numpy().any()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "I", "F", "HSV"])
def test_pillow_modes_become_tensors(mode):
    image = Image.fromarray(noise(5, 6)).convert(mode)
    tensor, exact = T.ToTensor()(image), T.PILToTensor()(image)
    assert tuple(tensor.shape) == (len(image.getbands()), 5, 6)
    scale = 255 if mode not in ("I", "F") else 1
    assert tensor.numpy() == pytest.approx(exact.numpy() / scale)


def test_to_pil_image_goes_there_and_back():
    for channels, mode in ((1, "L"), (3, "RGB"), (4, "RGBA")):
        array = noise(4, 5, channels)
        for picture in (array, from_array(array), T.ToTensor()(array)):
            image = T.ToPILImage()(picture)
            assert image.mode == mode and np.array_equal(np.asarray(image), array)
    assert T.ToPILImage("HSV")(noise(2, 2)).mode == "HSV"
    assert T.ToPILImage()(rl.zeros(2, 3, dtype=rl.int32)).mode == "I"
    assert T.ToPILImage("F")(rl.full((2, 3), 0.5)).getpixel((0, 0)) == 0.5


@pytest.mark.parametrize("source", [rl.uint8, rl.int16, rl.int32, rl.float32])
@pytest.mark.parametrize("target", [rl.uint8, rl.int16, rl.int32, rl.float32, rl.float64])
def test_convert_image_dtype_maps_black_and_white(source, target):
    white = {rl.uint8: 255, rl.int16: 32767, rl.int32: 2147483647}
    x = rl.tensor([[[0, white.get(source, 1)]]], dtype=source)
    if source == rl.float32 and target == rl.int32:
        with pytest.raises(RuntimeError, match="cannot be performed safely"):
            F.convert_image_dtype(x, target)
        return
    result = F.convert_image_dtype(x, target)
    assert result.dtype == target and result.flatten()[0] == 0
    share = float(result.flatten()[1]) / white.get(target, 1)
    assert 0.99 <= share <= 1


def test_normalize():
    x = rl.rand(2, 3, 4, 5)
    result = T.Normalize([0.1, 0.2, 0.3], (2.0, 4.0, 8.0))(x)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([2.0, 4.0, 8.0])
    wanted = (x.numpy() - mean[:, None, None]) / std[:, None, None]
    assert result.numpy() == pytest.approx(wanted, abs=1e-6)
    same = x.clone()
    assert T.Normalize(0.5, 0.5, inplace=True)(same) is same
    assert same.numpy() == pytest.approx(x.numpy() * 2 - 1, abs=1e-6)


RAISES = [
    (lambda: T.ToTensor()([1]), TypeError, "pic should be PIL Image or ndarray"),
    (lambda: T.ToTensor()(np.zeros(3)), ValueError, "2/3 dimensional. Got 1"),
    (lambda: T.ToPILImage()(rl.zeros(5, 2, 2)), ValueError, "> 4 channels. Got 5"),
    (lambda: T.Normalize(0, 1)(rl.zeros(1, 2, 2, dtype=rl.uint8)), TypeError, "float tensor"),
    (lambda: T.Normalize([0.0], [0.0])(rl.zeros(1, 2, 2)), ValueError, "division by zero"),
    (lambda: T.Normalize(0, 1)(rl.zeros(2, 2)), ValueError, "size \\(..., C, H, W\\)"),
    (lambda: T.Normalize(0, 1)(np.zeros((2, 2))), TypeError, "img should be Tensor Image"),
    (lambda: T.Resize(1.5), TypeError, "Size should be int or sequence"),
    (lambda: T.Resize((1, 2, 3)), ValueError, "1 or 2 values"),
    (lambda: T.Resize(5, "linear"), TypeError, "Argument interpolation"),
    (lambda: T.Resize(9, max_size=9)(noise(3, 4)), ValueError, "strictly greater"),
    (lambda: T.Resize((9, 9), max_size=10)(noise(3, 4)), ValueError, "max_size should only"),
    (lambda: T.RandomCrop(5)(noise(3, 4)), ValueError, r"size \(5, 5\) is larger .* \(3, 4\)"),
    (lambda: T.CenterCrop((1, 2, 3)), ValueError, "two dimensions"),
    (lambda: T.Pad((1, 2, 3)), ValueError, "not a 3 element tuple"),
    (lambda: T.Pad(1, padding_mode="wrap"), ValueError, "constant, edge, reflect"),
    (lambda: T.ColorJitter(brightness=-1), ValueError, "must be non negative"),
    (lambda: T.ColorJitter(hue=0.6), ValueError, "hue values should be between"),
    (lambda: T.ColorJitter(contrast="x"), TypeError, "single number or a list"),
    (lambda: T.RandomErasing(p=2), ValueError, "between 0 and 1"),
    (lambda: T.RandomErasing(value="noise"), ValueError, "should be 'random'"),
    (lambda: F.adjust_hue(noise(2, 2), 0.7), ValueError, r"not in \[-0.5, 0.5\]"),
    (lambda: F.adjust_brightness(noise(2, 2), -1), ValueError, "non-negative"),
    (lambda: F.hflip("x"), TypeError, "ToTensor"),
    (lambda: F.five_crop(noise(3, 4), 9), ValueError, "bigger than input size"),
    (lambda: T.Lambda(3), TypeError, "callable"),
]


@pytest.mark.parametrize(("call", "kind", "text"), RAISES)
def test_errors_are_torchvisions(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


REPRS = [
    (T.Resize(256), "Resize(size=256, interpolation=bilinear, max_size=None, antialias=True)"),
    (T.CenterCrop(4), "CenterCrop(size=(4, 4))"),
    (T.RandomCrop((3, 4), padding=2), "RandomCrop(size=(3, 4), padding=2)"),
    (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
    (
        T.RandomResizedCrop(224),
        "RandomResizedCrop(size=(224, 224), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
        "interpolation=bilinear, antialias=True)",
    ),
    (
        T.ColorJitter(0.5, (0.1, 0.2), hue=0.1),
        "ColorJitter(brightness=(0.5, 1.5), contrast=(0.1, 0.2), saturation=None, hue=(-0.1, 0.1))",
    ),
    (T.Pad((1, 2)), "Pad(padding=(1, 2), fill=0, padding_mode=constant)"),
    (T.Grayscale(3), "Grayscale(num_output_channels=3)"),
    (
        T.RandomErasing(),
        "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)",
    ),
    (T.ToPILImage(), "ToPILImage()"),
    (T.ToPILImage("L"), "ToPILImage(mode=L)"),
    (T.Normalize((0.5,), (0.5,)), "Normalize(mean=(0.5,), std=(0.5,))"),
    (T.Lambda(len), "Lambda()"),
    (T.RandomApply([T.ToTensor()], 0.3), "RandomApply(\n    p=0.3\n    ToTensor()\n)"),
    (T.RandomChoice([T.ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
    (T.Compose([T.ToTensor(), T.PILToTensor()]), "Compose(\n    ToTensor()\n    PILToTensor()\n)"),
]


@pytest.mark.parametrize(("transform", "text"), REPRS)
def test_reprs_are_torchvisions(transform, text):
    assert repr(transform) == text
    assert repr(copy.deepcopy(transform)) == text


def test_seed_decides_the_same_for_the_three_kinds():
    array = noise(20, 24)
    steps = T.Compose(
        [
            T.RandomHorizontalFlip(),
            T.RandomVerticalFlip(),
            T.RandomCrop(16, padding=3, padding_mode="reflect"),
            T.RandomApply([T.RandomResizedCrop(8)], 0.7),
            T.RandomInvert(),
        ]
    )
    for seed in range(12):
        results = []
        for picture in (Image.fromarray(array), array, from_array(array)):
            rl.manual_seed(seed)
            result = steps(picture)
            results.append(to_array(result, 3) if isinstance(result, rl.Tensor) else result)
        assert np.array_equal(results[0], results[1])
        assert apart(results[1], results[2]) <= 1  # tensors are resized as floating numbers


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 999))
@settings(deadline=None, max_examples=50)
def test_random_crops_stay_inside(height, width, seed):
    rl.manual_seed(seed)
    picture = rl.zeros(1, height, width)
    top, left, h, w = T.RandomResizedCrop.get_params(picture, (0.01, 1.0), (0.2, 5.0))
    assert 0 <= top <= top + h <= height and 0 <= left <= left + w <= width and h * w > 0
    size = (1 + seed % height, 1 + seed % width)
    top, left, h, w = T.RandomCrop.get_params(picture, size)
    assert (h, w) == size and 0 <= top <= height - h and 0 <= left <= width - w


def test_random_crop_pads_only_when_needed():
    picture = rl.ones(1, 4, 10)
    result = T.RandomCrop(8, pad_if_needed=True, fill=5)(picture)
    assert tuple(result.shape) == (1, 8, 8) and float(result.max()) == 5


def test_random_erasing_covers_one_rectangle():
    rl.manual_seed(3)
    picture = rl.ones(3, 20, 20)
    result = T.RandomErasing(p=1.0, value=(0.0, 2.0, 3.0))(picture)
    changed = (result != picture)[0].numpy()
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert 0.015 < changed.mean() < 0.4 and bool((picture == 1).all())
    assert set(np.unique(result[1].numpy())) == {1.0, 2.0}
    assert T.RandomErasing(p=0.0)(picture) is picture


def test_random_order_and_choice_draw_from_python():
    import random

    steps = [T.Lambda(lambda x, n=n: [*x, n]) for n in range(4)]
    random.seed(5)
    orders = {tuple(T.RandomOrder(steps)([])) for _ in range(60)}
    assert len(orders) > 10 and all(sorted(order) == [0, 1, 2, 3] for order in orders)
    picks = {T.RandomChoice(steps, p=[1, 0, 3, 0])([])[0] for _ in range(60)}
    assert picks == {0, 2}


def test_color_jitter_without_amounts_changes_nothing_but_draws_the_order():
    picture = noise(3, 3)
    rl.manual_seed(1)
    assert T.ColorJitter()(picture) is picture
    after = rl.rand(1)
    rl.manual_seed(1)
    rl.randperm(4)
    assert float(after) == float(rl.rand(1))


def test_a_picture_unscaled_keeps_its_channels_together() -> None:
    """As torchvision lays them: the view alone is turned, so a register_fake that says so holds."""
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    exact = F.pil_to_tensor(image)
    assert exact.shape == (3, 4, 5) and exact.stride() == (1, 15, 3)
    assert (exact / 255.0).stride() == (1, 15, 3) and T.ToTensor()(image).is_contiguous()
    assert F.pil_to_tensor(image.convert("L")).shape == (1, 4, 5)

"""Read and write picture files; the one place where Pillow is imported."""

from __future__ import annotations

import contextlib
import enum
import functools
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from ..core.errors import fail
from ..utils.errors import DataError, describe_start

PIXEL_LIMIT = 178_956_970


class ImageReadMode(enum.Enum):
    """Channels asked of `read_image`: as stored, grey, grey and alpha, RGB, RGB and alpha.

    >>> from rushlight.vision.io import ImageReadMode
    >>> ImageReadMode.RGB.value
    3
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


# how Pillow calls the pixels of coloured PNG files with 16 bits a channel, and the other order
_DEEP = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
_PILLOW_MODES = {"GRAY": "L", "GRAY_ALPHA": "LA", "RGB": "RGB", "RGB_ALPHA": "RGBA"}


@functools.cache
def has_pillow() -> bool:
    """True when Pillow can be imported.

    >>> import rushlight as torch
    >>> import importlib.util
    >>> torch.vision.io.has_pillow() == (importlib.util.find_spec("PIL") is not None)
    True
    """
    return importlib.util.find_spec("PIL") is not None


def pillow(name: str = "Image") -> Any:
    """Import a module of Pillow; an ImportError says how to get it.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> io.pillow().new("L", (5, 4)).size
    (5, 4)
    """
    try:
        return importlib.import_module(f"PIL.{name}")
    except ImportError as error:
        error.add_note("pictures need Pillow: pip install 'rushlight[vision]'")
        raise


def is_pillow_image(value: Any) -> bool:
    """True for a Pillow image; Pillow is not imported to find out.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> io.is_pillow_image(io.pillow().new("L", (5, 4))), io.is_pillow_image(torch.ones(2))
    (True, False)
    """
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def as_image(array: np.ndarray) -> Any:
    """Return an (H, W) or (H, W, 3) uint8 array as a Pillow image, or as it is without Pillow.

    >>> import numpy as np
    >>> from rushlight.vision import io
    >>> io.as_image(np.zeros((4, 5), np.uint8)).size
    (5, 4)
    """
    return pillow().fromarray(array) if has_pillow() else array


@contextlib.contextmanager
def _explained(source: str, size: int, start: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises while decoding into a DataError that names the file."""
    broken = pillow().UnidentifiedImageError, pillow().DecompressionBombError
    try:
        yield
    except DataError:
        raise
    except broken[1] as error:
        raise fail(DataError, f"{source}: too many pixels", str(error)) from error
    except broken[0] as error:
        what = describe_start(start) or f"not a picture that Pillow knows (starts {start[:8]!r})"
        raise fail(DataError, f"{source}: {what}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise fail(
            DataError, f"{source}: broken or truncated picture, ends at byte {size}", str(error)
        ) from error


def load_pillow(path: str | os.PathLike[str], mode: str | None = None) -> Any:
    """Open and decode a picture file, converted to Pillow's `mode`.

    Raises: DataError (a RuntimeError and an OSError) with the path: not a picture, truncated
    at which byte, a web page, more pixels than `PIXEL_LIMIT`. FileNotFoundError as usual.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_png(torch.zeros(3, 4, 5, dtype=torch.uint8), f"{folder}/black.png")
    ...     io.load_pillow(f"{folder}/black.png", "L").mode
    'L'
    """
    return decode_pillow(Path(path).read_bytes(), os.fspath(path), mode)


def decode_pillow(data: bytes, source: str, mode: str | None) -> Any:
    """The same of a file's bytes; `source` is named in errors.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> data = io.encode_png(torch.zeros(3, 4, 5, dtype=torch.uint8)).numpy().tobytes()
    >>> io.decode_pillow(data, "a download", "RGB").size
    (5, 4)
    """
    with _explained(source, len(data), data[:512]):
        image = _opened(data, source)
        image.load()
        return image if mode is None else image.convert(mode)  # a plain Image, of this mode too


def _opened(data: bytes, source: str) -> Any:
    """The picture in a file's bytes, whose pixels are not decoded yet."""
    image = pillow().open(io.BytesIO(data))
    if image.width * image.height > PIXEL_LIMIT:
        raise DataError(
            f"{source}: {image.width}x{image.height} is too many pixels, the limit is {PIXEL_LIMIT}"
        )
    return image


def load_deep(path: str | os.PathLike[str]) -> np.ndarray:
    """The (H, W, 3) uint16 values of a PNG file in RGB with 16 bits a channel.

    Raises: DataError as `load_pillow`, and for another kind of picture.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.vision import io
    >>> try:
    ...     with tempfile.TemporaryDirectory() as folder:
    ...         io.write_png(torch.zeros(3, 4, 5, dtype=torch.uint8), f"{folder}/black.png")
    ...         io.load_deep(f"{folder}/black.png")
    ... except io.DataError as error:
    ...     print(str(error).rpartition(": ")[2])
    not a PNG in RGB with 16 bits a channel
    """
    source = os.fspath(path)
    halves = [np.array(image, np.uint16) for image in _layers(Path(path).read_bytes(), source)]
    if len(halves) != 2 or halves[0].shape[-1] != 3:
        raise DataError(f"{source}: not a PNG in RGB with 16 bits a channel")
    return halves[0] << 8 | halves[1]


def _layers(data: bytes, source: str) -> list[Any]:
    """The picture in a file's bytes; of a coloured PNG of 16 bits its upper and its lower bytes."""
    with _explained(source, len(data), data[:512]):
        layers = [_opened(data, source)]
        raw = layers[0].tile[0][3] if layers[0].format == "PNG" and layers[0].tile else None
        if raw in _DEEP:  # Pillow keeps the first byte of each two: the lower in the other order
            layers.append(_opened(data, source))
            layers[1].tile = [(*tile[:3], _DEEP[raw]) for tile in layers[1].tile]
        for image in layers:
            image.load()
        return layers


def read_file(path: str | os.PathLike[str]) -> rl.Tensor:
    """Return the bytes of a file as a 1-d uint8 tensor.

    Raises: DataError for a file that is not there.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.vision import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_file(f"{folder}/bytes", torch.tensor([1, 2], dtype=torch.uint8))
    ...     io.read_file(f"{folder}/bytes")
    tensor([1, 2], dtype=torch.uint8)
    """
    try:
        return rl.from_numpy(np.fromfile(path, np.uint8))
    except OSError as error:
        raise DataError(str(error)) from error


def write_file(filename: str | os.PathLike[str], data: rl.Tensor) -> None:
    """Write a 1-d uint8 tensor as the bytes of a file.

    >>> import rushlight as torch
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.vision.io.write_file(f"{folder}/x", torch.tensor([104, 105], dtype=torch.uint8))
    ...     pathlib.Path(folder, "x").read_bytes()
    b'hi'
    """
    Path(filename).write_bytes(data.numpy().tobytes())


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> rl.Tensor:
    """Read a picture file into a uint8 tensor of shape (channels, height, width).

    `mode` asks for a number of channels; the default keeps what is stored (palettes become
    RGB). Of a PNG with 16 bits a channel the tensor is uint16, but for grey with alpha: of that
    Pillow keeps 8 bits.
    Raises: DataError (a RuntimeError) with the path.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.io.read_image.html

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.vision import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_png(torch.zeros(3, 4, 5, dtype=torch.uint8), f"{folder}/black.png")
    ...     io.read_image(f"{folder}/black.png").shape
    torch.Size([3, 4, 5])
    """
    data = read_file(path).numpy().tobytes()
    return _read(_layers(data, os.fspath(path)), mode, apply_exif_orientation)


def decode_image(
    input: rl.Tensor | str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> rl.Tensor:
    """As `read_image`, from the bytes in a 1-d uint8 tensor (or from a path).

    Raises: DataError for what Pillow does not know.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> picture = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    >>> io.decode_image(io.encode_png(picture), io.ImageReadMode.RGB).shape
    torch.Size([3, 1, 2])
    """
    if isinstance(input, str | os.PathLike):
        return read_image(input, mode, apply_exif_orientation)
    layers = _layers(input.numpy().tobytes(), "decode_image")
    return _read(layers, mode, apply_exif_orientation)


def decode_jpeg(
    input: Any, mode: ImageReadMode = ImageReadMode.UNCHANGED, device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Any:  # fmt: skip
    """The picture of a JPEG file's bytes, or a list of pictures of a list of them.

    mode: which channels (`ImageReadMode`). Raises: DataError for what Pillow does not know.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> io.decode_jpeg(io.encode_jpeg(torch.zeros(3, 4, 5, dtype=torch.uint8))).shape
    torch.Size([3, 4, 5])
    """
    if isinstance(input, list):
        return [decode_jpeg(one, mode, device, apply_exif_orientation) for one in input]
    return _decoded_as("JPEG", input, mode, apply_exif_orientation)


def decode_png(
    input: rl.Tensor, mode: ImageReadMode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> rl.Tensor:  # fmt: skip
    """The picture of a PNG file's bytes.

    mode: which channels (`ImageReadMode`). Raises: DataError for what Pillow does not know.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> picture = torch.tensor([[[0, 128, 255]]], dtype=torch.uint8)
    >>> io.decode_png(io.encode_png(picture))
    tensor([[[  0, 128, 255]]], dtype=torch.uint8)
    """
    return _decoded_as("PNG", input, mode, apply_exif_orientation)


def decode_webp(input: rl.Tensor, mode: ImageReadMode = ImageReadMode.UNCHANGED) -> rl.Tensor:
    """The picture of a WebP file's bytes.

    mode: which channels (`ImageReadMode`). Raises: DataError for what Pillow does not know.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> import io as files
    >>> file = files.BytesIO()
    >>> io.pillow().new("RGB", (5, 4)).save(file, "WEBP")
    >>> data = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
    >>> io.decode_webp(data).shape
    torch.Size([3, 4, 5])
    """
    return _decoded_as("WEBP", input, mode, False)


def decode_gif(input: rl.Tensor) -> rl.Tensor:
    """The pictures of a GIF file's bytes: (3, H, W), or (N, 3, H, W) if it moves.

    Raises: DataError for what Pillow does not know.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> import io as files
    >>> file = files.BytesIO()
    >>> io.pillow().new("L", (5, 4)).save(file, "GIF")
    >>> data = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
    >>> io.decode_gif(data).shape
    torch.Size([3, 4, 5])
    """
    image = decode_pillow(input.numpy().tobytes(), "decode_gif", None)
    _expect("GIF", image)
    frames = []
    for place in range(getattr(image, "n_frames", 1)):
        image.seek(place)
        frames.append(_to_tensor(image.convert("RGB"), ImageReadMode.RGB, False))
    return frames[0] if len(frames) == 1 else rl.stack(frames)


def _decoded_as(kind: str, input: rl.Tensor, mode: ImageReadMode | str, turn: bool) -> rl.Tensor:
    layers = _layers(input.numpy().tobytes(), f"decode_{kind.lower()}")
    _expect(kind, layers[0])
    return _read(layers, mode, turn)


def _expect(kind: str, image: Any) -> None:
    """Refuse a picture of another format."""
    if image.format != kind:
        raise fail(RuntimeError, f"decode_{kind.lower()}: these are no bytes of a {kind} file",
                   f"they are {image.format}; decode_image takes any")  # fmt: skip


def _read(layers: list[Any], mode: ImageReadMode | str, turn: bool) -> rl.Tensor:
    """The tensor of a picture in one or two layers of bytes."""
    parts = [_to_tensor(image, mode, turn) for image in layers]
    if len(parts) == 1:
        return parts[0]
    upper, lower = (part.numpy().astype(np.uint16) for part in parts)
    return rl.from_numpy(upper << 8 | lower)


def _to_tensor(image: Any, mode: ImageReadMode | str, turn: bool) -> rl.Tensor:
    if isinstance(mode, str):
        mode = ImageReadMode[mode.upper()]
    # older versions of Pillow call grey of 16 bits "I", which nothing else in a PNG is
    deep = image.mode == "I;16" or (image.format, image.mode) == ("PNG", "I")
    if turn:
        image = pillow("ImageOps").exif_transpose(image)
    wanted = _PILLOW_MODES.get(mode.name) or _plain_mode(image)
    if deep:  # Pillow would cut it when it converts
        return _deep_grey(
            np.array(image).astype(np.uint16), "L" if wanted == image.mode else wanted
        )
    if image.mode != wanted:
        image = image.convert(wanted)
    array = np.array(image)
    array = array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))
    return rl.from_numpy(array)


def _deep_grey(grey: np.ndarray, wanted: str) -> rl.Tensor:
    """Grey numbers as the uint16 channels of Pillow's mode `wanted`."""
    colours = [grey] * (3 if wanted.startswith("RGB") else 1)
    opaque = [np.full_like(grey, 2**16 - 1)] * wanted.endswith("A")
    return rl.from_numpy(np.stack([*colours, *opaque]))


def _plain_mode(image: Any) -> str:
    """The mode that keeps an image's values, with palettes and bits spelt out."""
    if image.mode == "1":
        return "L"
    if image.mode == "P":
        return "RGBA" if "transparency" in image.info else "RGB"
    return image.mode


def encode_png(input: rl.Tensor, compression_level: int = 6) -> rl.Tensor:
    """Return the PNG bytes of a (1 or 3, H, W) uint8 tensor as a 1-d uint8 tensor.

    compression_level: 0 to 9. Raises: RuntimeError for another type or other channels.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> data = io.encode_png(torch.zeros(3, 4, 5, dtype=torch.uint8))
    >>> bytes(data[1:4].tolist())
    b'PNG'
    """
    return _encode(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: rl.Tensor, quality: int = 75) -> rl.Tensor:
    """Return the JPEG bytes of a (1 or 3, H, W) uint8 tensor as a 1-d uint8 tensor.

    quality: 1 to 100. Raises: RuntimeError for another type or other channels.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> io.encode_jpeg(torch.zeros(3, 4, 5, dtype=torch.uint8))[:2]
    tensor([255, 216], dtype=torch.uint8)
    """
    return _encode(input, "JPEG", quality=quality)


def write_png(input: rl.Tensor, filename: str | os.PathLike[str], compression_level: int = 6):
    """Write a (1 or 3, H, W) uint8 tensor as a PNG file.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> import tempfile
    >>> picture = torch.full((1, 4, 5), 7, dtype=torch.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_png(picture, f"{folder}/grey.png")
    ...     io.read_image(f"{folder}/grey.png").equal(picture)
    True
    """
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: rl.Tensor, filename: str | os.PathLike[str], quality: int = 75):
    """Write a (1 or 3, H, W) uint8 tensor as a JPEG file.

    >>> import rushlight as torch
    >>> from rushlight.vision import io
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_jpeg(torch.zeros(3, 4, 5, dtype=torch.uint8), f"{folder}/black.jpg")
    ...     io.read_image(f"{folder}/black.jpg").shape
    torch.Size([3, 4, 5])
    """
    write_file(filename, encode_jpeg(input, quality))


def _encode(input: rl.Tensor, kind: str, **options: int) -> rl.Tensor:
    if input.dtype != rl.uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8, got {input.dtype}")
    if input.ndim != 3 or input.shape[0] not in (1, 3):
        raise fail(
            RuntimeError,
            "Input data should be 3-dimensional with 1 or 3 channels",
            f"got the shape {tuple(input.shape)}",
        )
    array = input.numpy()
    pixels = array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0))
    buffer = io.BytesIO()
    pillow().fromarray(pixels).save(buffer, kind, **options)
    return rl.from_numpy(np.frombuffer(buffer.getvalue(), np.uint8).copy())


# torchvision keeps these names in torchvision.io.image as well
image = sys.modules[__name__]

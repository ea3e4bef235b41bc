"""Files of numbers in planes: flow (.flo, PNG of 16 bits) and portable float maps (.pfm)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ...core.errors import fail
from ...utils.errors import DataError
from ..io import load_deep

Location = str | os.PathLike[str]


def read_flo(path: Location) -> np.ndarray:
    """The (2, H, W) float32 flow in a .flo file of Middlebury's form.

    Raises: ValueError for another file; DataError for one of another length.
    Source: https://vision.middlebury.edu/flow/code/flow-code/README.txt
    """
    content = Path(path).read_bytes()
    if content[:4] != b"PIEH":
        raise fail(ValueError, "Magic number incorrect. Invalid .flo file", f"{path}")
    sizes = np.frombuffer(content[4:12].ljust(8, b"\0"), "<i4")
    width, height = int(sizes[0]), int(sizes[1])
    return _shaped(path, content[12:], "<f4", (height, width, 2))


def read_pfm(path: Location, channels: int = 2) -> np.ndarray:
    """The first `channels` of a .pfm file's 1 or 3: (channels, H, W) float32, upper row first.

    Raises: ValueError for another file; DataError for a broken header or another length.
    Source: https://www.pauldebevec.com/Research/HDR/PFM/
    """
    with open(path, "rb") as file:
        kind = file.readline(64).rstrip()
        if kind not in (b"PF", b"Pf"):
            raise fail(ValueError, "Invalid PFM file", f"{path}")
        sizes = re.match(rb"^(\d+)\s(\d+)\s$", file.readline(64))
        scale = file.readline(64).rstrip()
        try:
            order = "<" if float(scale) < 0 else ">"
        except ValueError:
            sizes = None
        if sizes is None:
            raise fail(DataError, "Malformed PFM header.", f"{path}")
        body = file.read()
    shape = int(sizes[2]), int(sizes[1]), 3 if kind == b"PF" else 1
    # the rows lie from the lowest to the highest
    return np.ascontiguousarray(_shaped(path, body, f"{order}f4", shape)[:channels, ::-1])


def read_deep_flow(path: Location) -> tuple[np.ndarray, np.ndarray]:
    """The (2, H, W) float32 flow in a PNG file of KITTI's form, and where it is known: (H, W) bool.

    Raises: DataError for another kind of picture.
    Source: https://www.cvlibs.net/datasets/kitti/eval_scene_flow.php?benchmark=flow
    """
    values = load_deep(path).transpose(2, 0, 1)
    flow = (values[:2].astype(np.float32) - np.float32(2**15)) / np.float32(64)
    return flow, values[2] != 0


def _shaped(path: Location, body: bytes, kind: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Numbers of an (H, W, C) array as (C, H, W) float32."""
    height, width, channels = shape
    if min(shape) < 1 or len(body) != height * width * channels * 4:
        raise DataError(f"{path}: {len(body)} bytes of numbers are not {height}x{width}x{channels}")
    return np.frombuffer(body, kind).reshape(shape).transpose(2, 0, 1).astype(np.float32)

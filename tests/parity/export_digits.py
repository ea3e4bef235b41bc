"""Write the package's digits from scikit-learn's copy (needs scikit-learn; run by hand).

python tests/parity/export_digits.py
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

FOLDER = Path(__file__).resolve().parents[2] / "rushlight" / "vision" / "data"


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write a uint8 array as a gzip-packed IDX file, the same bytes on every run."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(head + array.tobytes())


def main() -> None:
    digits = load_digits()
    FOLDER.mkdir(parents=True, exist_ok=True)
    images = digits.images.astype(np.uint8)
    assert np.array_equal(images, digits.images) and images.shape == (1797, 8, 8)
    write_idx(FOLDER / "digits-images-idx3-ubyte.gz", images)
    write_idx(FOLDER / "digits-labels-idx1-ubyte.gz", digits.target.astype(np.uint8))


if __name__ == "__main__":
    main()

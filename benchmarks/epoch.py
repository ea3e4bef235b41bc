"""One epoch of LeNet on MNIST's test images beside torch's (data in $RUSHLIGHT_DATA/mnist)."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from training import lenet_net

import rushlight


def images() -> tuple[np.ndarray, np.ndarray]:
    folder = Path(os.environ["RUSHLIGHT_DATA"]) / "mnist"
    pixels = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    x = np.frombuffer(pixels, np.uint8).reshape(-1, 1, 28, 28).astype(np.float32) / 255
    return x, np.frombuffer(labels, np.uint8).astype(np.int64)


def epoch(t: Any) -> tuple[float, float]:
    t.manual_seed(0)
    x, y = (t.from_numpy(a) for a in images())
    data = t.utils.data
    loader = data.DataLoader(data.TensorDataset(x, y), batch_size=64, shuffle=True)
    net, loss = lenet_net(t), t.nn.CrossEntropyLoss()
    opt = t.optim.Adam(net.parameters(), lr=1e-3)
    start, total = time.perf_counter(), 0.0
    for xb, yb in loader:
        opt.zero_grad()
        value = loss(net(xb), yb)
        value.backward()
        opt.step()
        total += value.item() * len(yb)
    return time.perf_counter() - start, total / len(y)


if __name__ == "__main__":
    for name, framework in (("rushlight", rushlight), ("torch", torch)) * 2:
        seconds, loss = epoch(framework)
        print(f"{name}: {seconds:.2f} s, mean loss {loss:.4f}", flush=True)

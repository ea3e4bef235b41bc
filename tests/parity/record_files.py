"""Record small files written by torch: run `python tests/parity/record_files.py` where torch is.

Writes `tests/parity/data/files.json`: for each file its bytes (base64 of zlib) and what torch holds
in it, as plain JSON: dtype, shape, strides, offset, bytes, and which tensors share a storage.
"""

import base64
import collections
import io
import json
import pathlib
import pickle
import zlib
from typing import Any

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent / "data" / "files.json"
TYPES = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
TYPES += ["bool", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]


def describe(value: Any, storages: dict[int, int]) -> Any:
    """The value as JSON, tensors bit for bit."""
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage().data_ptr()
        plain = value.detach().resolve_conj().resolve_neg()
        flat = plain.clone(memory_format=torch.contiguous_format).reshape(-1)
        return {
            "kind": type(value).__name__,
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "stride": list(value.stride()),
            "offset": value.storage_offset(),
            "grad": value.requires_grad,
            "storage": storages.setdefault(storage, len(storages)) if flat.numel() else -1,
            "bytes": flat.view(torch.uint8).numpy().tobytes().hex() if flat.numel() else "",
        }
    if isinstance(value, dict):
        pairs = [[describe(k, storages), describe(v, storages)] for k, v in value.items()]
        extra = describe(getattr(value, "_metadata", None), storages)
        return {"kind": type(value).__name__, "items": pairs, "metadata": extra}
    if isinstance(value, (list, tuple, set)) and not isinstance(value, torch.Size):
        parts = [describe(part, storages) for part in value]
        return {"kind": type(value).__name__, "parts": parts}
    if isinstance(value, np.ndarray):
        return {"kind": "ndarray", "text": f"{value.dtype.str} {value.tolist()}"}
    return {"kind": type(value).__name__, "text": repr(value)}


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    )


def trained(kind: Any, **options: Any) -> dict[str, Any]:
    """A checkpoint as training loops write it."""
    model = network()
    optimizer = kind(model.parameters(), lr=0.01, **options)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    for _ in range(2):
        model(torch.randn(2, 1, 6, 6)).square().mean().backward()
        optimizer.step()
        schedule.step()
    return {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(), "epoch": 2, "rng": torch.get_rng_state()[:16].clone(),
    }  # fmt: skip


def cases() -> dict[str, Any]:
    torch.manual_seed(0)
    base = torch.arange(24.0).reshape(2, 3, 4)
    named = torch.nn.Parameter(torch.ones(2))
    named.note = "kept"
    tied = torch.nn.Parameter(torch.randn(2, 2))
    found: dict[str, Any] = {
        name: (torch.arange(6) % 2 if name == "bool" else torch.arange(6)).to(getattr(torch, name))
        for name in TYPES
    }
    found |= {f"scalar {name}": found[name][1].clone() for name in ("bool", "bfloat16", "int64")}
    found |= {
        "special": torch.tensor([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45]),
        "special bfloat16": torch.tensor([float("inf"), float("nan"), -0.0]).bfloat16(),
        "views": {"all": base, "row": base[1], "t": base.mT, "step": base[:, ::2, 1:3],
                  "last": base.view(-1)[-1]},
        "expand": [torch.ones(1, 3).expand(4, 3), torch.tensor(2.0).expand(5)],
        "empty": [torch.empty(0), torch.empty(2, 0, 3), base[:0]],
        "conj": [torch.tensor([1 + 2j, 3 - 1j]).conj(), torch.tensor([1j]).conj().imag],
        "channels last": torch.randn(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "parameters": [torch.nn.Parameter(torch.ones(2)), named, tied, tied,
                       torch.nn.Parameter(torch.ones(2), requires_grad=False)],
        "requires grad": torch.ones(2, requires_grad=True),
        "nested": {"a": [1, (2, 3.5, None), {"b": {4: "é", (1, 2): True}}], "n": -(2**65),
                   "big": 2**40, "neg": -3, "x": float("inf"), "bytes": b"\x00\xff", "c": 1 + 2j},
        "containers": [collections.OrderedDict(b=1, a=2), {3}, collections.Counter("aab"), (), [],
                       bytearray(b"z"), torch.Size([2, 3]), torch.float16, torch.bfloat16,
                       torch.device("cpu"), torch.strided],
        "same list": [shared := [1], shared],
        "many": list(range(1500)), "many tensors": {str(i): torch.tensor(i) for i in range(40)},
        "long text": "x" * 300, "state dict": network().state_dict(),
        "sgd": trained(torch.optim.SGD, momentum=0.9), "adam": trained(torch.optim.Adam),
        "rmsprop": trained(torch.optim.RMSprop), "adagrad": trained(torch.optim.Adagrad),
        "tied": {"a": tied, "b": tied.data, "c": tied.data.t()},
    }  # fmt: skip
    return found


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def record() -> None:
    files = []
    for name, value in cases().items():
        for form in ("zip", "legacy", "protocol 4"):
            if form != "zip" and name in ("many", "adagrad", "rmsprop", "uint32", "uint64"):
                continue
            stream = io.BytesIO()
            torch.save(
                value, stream, pickle_protocol=4 if form == "protocol 4" else 2,
                _use_new_zipfile_serialization=form != "legacy",
            )  # fmt: skip
            files.append({"name": f"{name}, {form}", "file": packed(stream.getvalue()),
                          "value": describe(value, {})})  # fmt: skip
    model = io.BytesIO()
    torch.save(network(), model)
    array = io.BytesIO()
    torch.save({"a": np.arange(3), "f": np.float64(2.5)}, array)
    refused = {"module": packed(model.getvalue()), "pickle": packed(pickle.dumps(print))}
    files.append({"name": "numpy", "file": packed(array.getvalue()),
                  "value": describe({"a": np.arange(3), "f": np.float64(2.5)}, {})})  # fmt: skip
    answer = {"torch": torch.__version__, "files": files, "refused": refused}
    HERE.write_text(json.dumps(answer, separators=(",", ":")) + "\n")
    print(len(files), "files,", HERE.stat().st_size, "bytes")


if __name__ == "__main__":
    record()

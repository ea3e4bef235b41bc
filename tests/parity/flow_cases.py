"""Networks that follow pixels, flows as pictures, and transforms under the names of their kinds."""

from __future__ import annotations

import inspect

import numpy as np

from tests.parity.model_cases import layout

NETS = ("raft_small", "raft_large")
KINDS = ("image", "video", "mask", "bounding_boxes", "keypoints")
# not asked: what draws, what needs torchvision's extension, what takes no plain tensors
_LEFT_OUT = ("gaussian_noise", "jpeg", "get_size_b", "get_size_k", "to_image", "to_pil", "sanitize",
             "clamp")  # fmt: skip
_GIVEN = {
    "angle": 30.0, "translate": [1, 2], "scale": 1.2, "shear": [5.0, 3.0], "output_size": [4, 5],
    "top": 1, "left": 2, "height": 5, "width": 4, "padding": [1, 2, 1, 1],
    "startpoints": [[0, 0], [7, 0], [7, 9], [0, 9]], "endpoints": [[1, 0], [6, 1], [7, 8], [0, 9]],
    "size": [6, 7], "canvas_size": (10, 8), "brightness_factor": 1.2, "contrast_factor": 1.2,
    "gamma": 1.5, "hue_factor": 0.1, "saturation_factor": 1.3, "sharpness_factor": 1.4, "i": 1,
    "j": 1, "h": 2, "w": 2, "kernel_size": [3, 3], "sigma": [1.0, 1.0], "bits": 3,
    "threshold": 0.5, "mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 3.0], "permutation": [2, 0, 1],
    "num_samples": 3,
}  # fmt: skip
_BOXES = [[1.0, 2.0, 5.0, 7.0], [0.0, 0.0, 3.0, 4.0]]
_SHAPES = {"image": (3, 10, 8), "video": (5, 3, 10, 8), "mask": (1, 10, 8)}


def _numbers(shape) -> np.ndarray:
    count = int(np.prod(shape))
    return ((np.sin(np.arange(count) * 0.37) + 1) / 2).reshape(shape).astype(np.float32)


def _input(name: str, kind: str) -> np.ndarray:
    if kind in ("boxes", "keypoints"):
        found = np.array(_BOXES, dtype=np.float32)
        return found if kind == "boxes" else found.reshape(2, 2, 2)
    found = _numbers(_SHAPES[kind])
    if kind == "mask":
        return (found * 4).astype(np.int64)
    if name.startswith(("posterize", "equalize")):
        found = (found * 255).astype(np.uint8)
    return found[:1] if name.startswith("grayscale") else found


def names(functional) -> list[str]:
    """The functions that have one of the kinds in their name."""
    ends = tuple(f"_{kind}" for kind in KINDS)
    found = (name for name in dir(functional) if name.endswith(ends) and name[0] != "_")
    return sorted(name for name in found if not name.startswith(_LEFT_OUT))


def told(found):
    """A result as numbers: shape and weighted sums, so that places matter."""
    if isinstance(found, (tuple, list)):
        return [told(one) for one in found]
    if not hasattr(found, "numpy"):
        return found
    values = found.detach().numpy().astype(np.float64)
    weights = np.cos(np.arange(values.size)).reshape(values.shape)
    return [list(values.shape), float(values.sum()), float((values * weights).sum())]


def kernel(library, functional, formats, name: str):
    """What a function gives, and the names of its arguments after the first."""
    function = getattr(functional, name)
    wanted = list(inspect.signature(function).parameters.values())[1:]
    given = {one.name: _GIVEN.get(one.name) for one in wanted if one.default is one.empty}
    if "v" in given:
        given["v"] = library.zeros(2, 2)
    if "displacement" in given:
        given["displacement"] = library.from_numpy((_numbers((1, 10, 8, 2)) - 0.5) * 0.2)
    if "format" in given:
        given["format"] = formats["XYXY"]
    if name.startswith("to_dtype"):
        given = {"dtype": library.float64}
    x = library.from_numpy(_input(name, name.rsplit("_", 1)[1]))
    return [[one.name for one in wanted], told(function(x, **given))]


def net(library, models, name: str) -> dict:
    """How a network is laid out, and some of what it gives and learns from."""
    library.manual_seed(3)
    made = getattr(models, name)()
    found = {"layout": layout(made)}
    if name == "raft_small":
        pictures = [_numbers((1, 3, 128, 136)) * 2 - 1, np.cos(_numbers((1, 3, 128, 136)) * 9)]
        first, second = (library.from_numpy(one.astype(np.float32)) for one in pictures)
        flows = made(first, second, num_flow_updates=2)
        sum((flow**2).mean() for flow in flows).backward()
        found["flows"] = [flow.detach().flatten()[::1009].tolist() for flow in flows]
        found["gradients"] = [
            dict(made.named_parameters())[which].grad.flatten()[::101].tolist()
            for which in ("feature_encoder.conv.weight", "update_block.flow_head.conv2.weight")
        ]
    return found


def painted(library, flow_to_image) -> list:
    """Flows as pictures."""
    flows = _numbers((2, 2, 6, 7)) - 0.5
    return [
        flow_to_image(library.from_numpy(one)).flatten().tolist()
        for one in (flows, flows[0], 0 * flows[0])
    ]

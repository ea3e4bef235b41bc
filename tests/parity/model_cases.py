"""What is asked of every network that torchvision has too."""

from __future__ import annotations

import hashlib

import numpy as np

NAMES = (
    "alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "googlenet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2", "densenet121",
    "densenet161", "densenet169", "densenet201", "mobilenet_v2",
    *(f"convnext_{size}" for size in ("tiny", "small", "base", "large")),
    *(f"efficientnet_b{number}" for number in range(8)),
    *(f"efficientnet_v2_{size}" for size in "sml"), "inception_v3", "maxvit_t",
    *(f"mnasnet{size}" for size in ("0_5", "0_75", "1_0", "1_3")),
    *(f"regnet_{kind}_{size}" for kind in "xy"
      for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    "regnet_y_128gf", *(f"shufflenet_v2_x{size}" for size in ("0_5", "1_0", "1_5", "2_0")),
    "squeezenet1_0", "squeezenet1_1",
    *(f"swin{version}_{size}" for version in ("", "_v2", "3d") for size in "tsb"),
    *(f"vit_{size}" for size in ("b_16", "b_32", "l_16", "l_32", "h_14")),
    "mvit_v1_b", "mvit_v2_s", "s3d",
)  # fmt: skip
# Small networks and variants whose weights and outputs are compared: name, arguments, side.
DRAWN = {
    "resnet18": ("resnet18", {"num_classes": 5, "zero_init_residual": True}, 40),
    "resnet50 dilated": (
        "resnet50",
        {"num_classes": 3, "replace_stride_with_dilation": [False, True, True]},
        33,
    ),
    "mobilenet_v2": ("mobilenet_v2", {"width_mult": 0.35, "num_classes": 7}, 40),
    "densenet121": ("densenet121", {"num_classes": 4, "bn_size": 2}, 33),
    "googlenet": ("googlenet", {"num_classes": 6, "transform_input": True}, 33),
    "vit": ("VisionTransformer", {"image_size": 32, "patch_size": 8, "num_layers": 2,
            "num_heads": 2, "hidden_dim": 16, "mlp_dim": 24, "num_classes": 5,
            "representation_size": 7}, 32),
    "efficientnet_b0": ("efficientnet_b0", {"num_classes": 4}, 40),
    "squeezenet1_1": ("squeezenet1_1", {"num_classes": 4}, 40),
    "shufflenet_v2": ("shufflenet_v2_x0_5", {"num_classes": 4}, 40),
    "mnasnet": ("mnasnet0_5", {"num_classes": 4}, 40),
    "regnet_x_400mf": ("regnet_x_400mf", {"num_classes": 4}, 40),
    "swin": ("SwinTransformer", {"patch_size": [2, 2], "embed_dim": 8, "depths": [2, 2],
             "num_heads": [2, 4], "window_size": [3, 4], "num_classes": 5}, 23),
    "maxvit": ("MaxVit", {"input_size": (32, 32), "stem_channels": 8, "partition_size": 2,
               "block_channels": [8, 16], "block_layers": [2, 1], "head_dim": 4,
               "stochastic_depth_prob": 0.5, "num_classes": 5}, 32),
}  # fmt: skip


def layout(net) -> dict:
    """The number of parameters, digests of all names and shapes in their order and of the text.

    The text shows the layers without parameters too: a ReLU is no ReLU6.
    """
    state = net.state_dict()
    text = "\n".join(f"{name} {tuple(value.shape)}" for name, value in state.items())
    count = sum(value.numel() for value in net.parameters())
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    printed = hashlib.sha256(str(net).encode()).hexdigest()[:16]
    return {"parameters": count, "entries": len(state), "digest": digest, "printed": printed}


def picture(side: int) -> np.ndarray:
    """Two pictures of three channels, the same everywhere."""
    values = np.arange(2 * 3 * side * side, dtype=np.float64)
    return np.sin(values * 0.37).reshape(2, 3, side, side).astype(np.float32)


def drawn(build, library, arguments, side) -> dict:
    """Sums of the first weights that seed 11 gives, and the scores of the pictures."""
    library.manual_seed(11)
    net = build(**arguments).eval()
    sums = [float(p.detach().double().sum().item()) for p in net.parameters()]
    with library.no_grad():
        scores = net(library.from_numpy(picture(side)))
    return {"sums": sums, "scores": scores.tolist()}

"""What torchvision's networks are listed with, under the name of torchvision's module."""

from __future__ import annotations

from .listing import BUILDERS as BUILTIN_MODELS
from .listing import get_model, get_model_builder, list_models, register_model
from .weights import Weights, WeightsEnum, get_model_weights, get_weight

__all__ = [
    "BUILTIN_MODELS", "Weights", "WeightsEnum", "get_model", "get_model_builder",
    "get_model_weights", "get_weight", "list_models", "register_model",
]  # fmt: skip

"""torch.export: a model as one graph of torch's operators, to be read, saved and run elsewhere.

Source: https://docs.pytorch.org/docs/stable/export.html
"""

from __future__ import annotations

from ..core.names import explain_missing as _explain_missing
from .exporting import export, export_for_training
from .program import ExportedProgram
from .shapes import Dim, dims
from .signature import (
    ConstantArgument,
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from .storing import load, save

__all__ = [
    "ConstantArgument", "Dim", "ExportGraphSignature", "ExportedProgram", "InputKind", "InputSpec",
    "OutputKind", "OutputSpec", "TensorArgument", "dims", "export", "export_for_training", "load",
    "save",
]  # fmt: skip
_explain_missing(__name__)

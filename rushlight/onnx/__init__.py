"""torch.onnx: models written as ONNX files, for other runtimes and viewers (extra `[onnx]`).

>>> import rushlight as torch
>>> torch.onnx.is_in_onnx_export()
False
"""

from . import symbolic_helper
from .errors import OnnxExporterError, UnsupportedOperatorError
from .exporting import ONNXProgram, TrainingMode, export, is_in_onnx_export

__all__ = [
    "ONNXProgram", "OnnxExporterError", "TrainingMode", "UnsupportedOperatorError", "export",
    "is_in_onnx_export", "symbolic_helper",
]  # fmt: skip

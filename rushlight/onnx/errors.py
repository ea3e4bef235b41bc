"""Why a model could not be written as ONNX."""

from __future__ import annotations


class OnnxExporterError(RuntimeError):
    """A model that cannot be written as an ONNX graph.

    >>> import rushlight as torch
    >>> issubclass(torch.onnx.UnsupportedOperatorError, torch.onnx.OnnxExporterError)
    True
    """


class UnsupportedOperatorError(OnnxExporterError):
    """An operation that ONNX has no operators for, or whose rule is not written.

    >>> import rushlight as torch
    >>> class Inverse(torch.nn.Module):
    ...     def forward(self, x):
    ...         return torch.linalg.inv(x)
    >>> try:
    ...     torch.onnx.export(Inverse(), (torch.eye(2),))
    ... except torch.onnx.UnsupportedOperatorError as error:
    ...     print(error)
    linalg_inv has no form in ONNX's operators
    """


def refused(kind: type[OnnxExporterError], reason: str, node: object = None) -> OnnxExporterError:
    """The error, with the user's line and the layer of a node."""
    error = kind(reason)
    line, module = getattr(node, "line", ""), getattr(node, "module", "")
    if line:
        error.add_note(f"at {line}")
    if module:
        error.add_note(f"in {module}")
    return error

"""torch._dynamo.exc: what says that a program cannot be followed."""

from __future__ import annotations

import enum
from typing import Any

__all__ = ["TorchDynamoException", "Unsupported", "UserError", "UserErrorType"]


class TorchDynamoException(RuntimeError):
    """What a trace raises."""


class Unsupported(TorchDynamoException):
    """The code does something that cannot be followed."""


class UserErrorType(enum.Enum):
    """What a UserError is about."""

    DYNAMIC_CONTROL_FLOW = "dynamic_control_flow"
    ANTI_PATTERN = "anti_pattern"
    STANDARD_LIBRARY = "standard_library"
    CONSTRAINT_VIOLATION = "constraint_violation"
    DYNAMIC_DIM = "dynamic_dim"
    INVALID_INPUT = "invalid_input"
    INVALID_OUTPUT = "invalid_output"
    UNSUPPORTED_ALIASED_MUTATED_DYNAMIC_INPUTS = "unsupported_aliased_mutated_dynamic_inputs"


class UserError(TorchDynamoException):
    """What was asked for cannot be exported; the message says what to change."""

    def __init__(self, error_type: UserErrorType, msg: str, case_name: str | None = None) -> None:
        self.error_type, self.msg, self.case_name = error_type, msg, case_name
        super().__init__(msg)


class BackendCompilerFailed(TorchDynamoException):
    """A backend raised; `inner_exception` is what."""

    def __init__(self, backend_fn: Any, inner_exception: Exception) -> None:
        self.backend_name = getattr(backend_fn, "__name__", "?")
        self.inner_exception = inner_exception
        kind = type(inner_exception).__name__
        super().__init__(f"backend={self.backend_name!r} raised:\n{kind}: {inner_exception}")


class InvalidBackend(TorchDynamoException):
    """Nobody registered a backend of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Invalid backend: {name!r}, see `torch._dynamo.list_backends()` for available"
            " backends."
        )

"""The names that scripted code is annotated with; they are those of `typing`."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035  (as old annotations say)

__all__ = ["Any", "Dict", "List", "Optional", "Tuple", "Union"]

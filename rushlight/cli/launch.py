"""`rushlight launch -n 2 SCRIPT [ARGS]`: run a script on several processes that work together."""

from __future__ import annotations

from ..distributed.run import main as run


def main(arguments: list[str]) -> int:
    """Start the processes and wait for them."""
    return run(arguments, "rushlight launch")

"""torch.utils.collect_env: what somebody who is asked for help needs to know, as text.

`python -m rushlight.utils.collect_env` prints what `rushlight info` prints.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["get_env_info", "get_pretty_env_info", "main"]


def get_env_info() -> dict[str, Any]:
    """Versions, processor, memory, packages and settings, by topic; torch's is a named tuple.

    >>> import rushlight as torch
    >>> from rushlight.utils.collect_env import get_env_info
    >>> get_env_info()["devices"]
    'cpu'
    """
    return importlib.import_module("rushlight.cli.info").collect()


def get_pretty_env_info() -> str:
    """The same as lines of text.

    >>> from rushlight.utils.collect_env import get_pretty_env_info
    >>> "devices" in get_pretty_env_info()
    True
    """
    return "\n".join(importlib.import_module("rushlight.cli.info").lines(get_env_info()))


def main() -> None:
    """Print it.

    >>> from rushlight.utils.collect_env import main
    >>> main()  # doctest: +ELLIPSIS
    rushlight...
    """
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()

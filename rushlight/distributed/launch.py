"""`python -m rushlight.distributed.launch`: the launcher's older spelling.

The program gets `--local-rank=N`, unless `--use-env` says that it reads LOCAL_RANK.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from . import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the launcher."""
    return run.main(arguments, "python -m rushlight.distributed.launch", tells_rank=True)


if __name__ == "__main__":
    sys.exit(main())

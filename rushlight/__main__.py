"""`python -m rushlight`: the same as the command `rushlight`."""

import sys

from rushlight.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""``python -m tsclr``: the same as ``tsclr``."""

import sys

from tsclr.cli import main

if __name__ == "__main__":
    sys.exit(main())

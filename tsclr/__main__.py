"""``python -m tsclr``: the same as ``tsclr``."""

import os
import sys

from tsclr.cli import main

if __name__ == "__main__":
    code = main()
    if "WORLD_SIZE" in os.environ:
        # DDP leaves threads of Gloo behind, which now and then abort a process that ends as usual
        # (torch 2.13). Everything is written by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)

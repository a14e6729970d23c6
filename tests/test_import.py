"""What a service that embeds single windows has to import."""

import subprocess
import sys
from pathlib import Path

EMBED = """
import sys
import numpy as np
import torch, sklearn.base
before = set(sys.modules)
from tsclr.embed import Embedder
Embedder.load(sys.argv[1], whiten=True).transform(np.zeros((1, 6, 128), np.float32)).shape
heavy = {"pooch", "rich", "pandas", "pyarrow", "aeon", "matplotlib"}
print({name.partition(".")[0] for name in set(sys.modules) - before} & heavy or "light")
"""


def test_embedding_a_window_imports_no_tables_no_downloads_and_no_progress_bars(
    tiny_run: Path,
) -> None:
    words = [sys.executable, "-c", EMBED, str(tiny_run)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "light\n", done.stdout

"""The package where the system lacks what POSIX has: imports, locks, stores and a training."""

import subprocess
import sys
from pathlib import Path

WITHOUT_POSIX = """
import sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
import torch, joblib, mmap, os  # they ask for the system by name before they use what is deleted
del os.register_at_fork, os.fork, mmap.MADV_DONTNEED
import importlib, pkgutil
from pathlib import Path
import tsclr
for module in pkgutil.walk_packages(tsclr.__path__, "tsclr."):
    if module.name != "tsclr.__main__":
        importlib.import_module(module.name)
from tests.support.training import tiny_pretrain
from tsclr.data.store import Store
from tsclr.files import exclusive_lock
store, out = Path(sys.argv[1]), Path(sys.argv[2])
Store.open(store).release()
run = tiny_pretrain(store, out, epochs=1)
with exclusive_lock(run):
    try:
        tiny_pretrain(store, out, epochs=1, resume=True)
    except ValueError as error:
        print(error)
"""


def test_the_package_runs_without_what_windows_lacks(tiny_store: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX, str(tiny_store), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert f"another process is writing to {tmp_path / 'run'}: wait until it ends" in done.stdout

"""Checks every annotation of tsclr at run time, in tests only, and finds the real recordings."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook("tsclr", "tests.typecheck.check")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real archives, or a skip that says why."""
    root = os.environ.get("TSCLR_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("set TSCLR_DATA to the folder that holds hapt.zip and motionsense.zip")
    return Path(root)

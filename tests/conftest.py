"""Checks every annotation of tsclr at run time, in tests only, and finds the real recordings.

`make test` tries the same examples of every property each time, so that a change that passes
here passes anywhere; `make test-slow` looks for new ones.
"""

import os
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import install_import_hook

from tests.support import typecheck

# When Numba starts, in a test of aeon, it sets the threads of torch to its own number: trainings
# that come after it would no longer give the weights of those before.
os.environ["NUMBA_NUM_THREADS"] = "1"

install_import_hook("tsclr", f"{typecheck.__name__}.check")

hypothesis.settings.register_profile("same", max_examples=50, deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", max_examples=2000, deadline=None)
hypothesis.settings.load_profile("same")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real archives, or a skip that says why."""
    root = os.environ.get("TSCLR_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("set TSCLR_DATA to the folder that holds hapt.zip and motionsense.zip")
    return Path(root)


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw logs of four simulated people, two minutes each."""
    from tsclr.datasets import Synthetic

    folder = tmp_path_factory.mktemp("logs")
    Synthetic(n_subjects=4, minutes=3).write_logs(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_store(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store made of these logs."""
    from tsclr.data.ingest import ingest
    from tsclr.demo import LOGS, RATE

    folder = tmp_path_factory.mktemp("tiny") / "store"
    ingest(logs, folder, rate=RATE, **LOGS)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short pretraining on that store; the last subject is left out."""
    from tests.support.training import tiny_pretrain

    return tiny_pretrain(tiny_store, tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="session")
def finished(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a small suite on that store."""
    from tests.support.suites import scored, suite_on

    out = tmp_path_factory.mktemp("bench")
    scored(suite_on(tiny_store), out)
    return out


@pytest.fixture(scope="session")
def hapt_store(data_root):
    """All of HAPT in memory, read once."""
    from tsclr.data.store import Store

    return Store.load("hapt", data_root)


@pytest.fixture(scope="session")
def motionsense_store(data_root):
    """All of MotionSense in memory, read once."""
    from tsclr.data.store import Store

    return Store.load("motionsense", data_root)

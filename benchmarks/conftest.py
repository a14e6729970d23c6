"""One thread for every benchmark, so that a ratio compares work and not scheduling."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Leave the number of threads as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

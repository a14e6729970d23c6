"""A step shared between two processes is the step of one, for every objective."""

import subprocess
from pathlib import Path

import pytest
import torch

from tests.objectives import KINDS
from tests.two_processes import in_two_processes, run


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list:
    """What each of two processes got."""
    folder = tmp_path_factory.mktemp("processes")
    in_two_processes("tests.two_processes", str(folder))
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in (0, 1)]


def test_every_objective_does_the_same_in_two_processes(shared: list) -> None:
    for name in KINDS:
        alone = run(name)
        for found in (each[name] for each in shared):
            for what in ("losses", "gradients", "state"):
                torch.testing.assert_close(
                    found[what], alone[what], rtol=1e-9, atol=1e-10,
                    msg=lambda text, name=name, what=what: f"{name}, {what}: {text}",
                )  # fmt: skip


def test_an_error_in_a_process_is_told() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        in_two_processes("tests.two_processes", str(Path("/nowhere")), "NTXent", timeout=60)
    assert "nowhere" in caught.value.stderr

"""A run that is killed, however often, ends with the weights of one that is not, bit for bit."""

from pathlib import Path

import pytest
import torch

from tests.support.interruption import begin, finish, kill_often
from tsclr.embed.checkpoint import Checkpoint

OFTEN = pytest.param(20, 120, marks=pytest.mark.slow, id="20 kills")
FEW = pytest.param(3, 9, id="3 kills")


@pytest.mark.parametrize(("n_kills", "epochs"), [FEW, OFTEN])
@pytest.mark.parametrize("n_processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_random_moments(
    n_kills: int, epochs: int, n_processes: int, tiny_store: Path, tmp_path: Path
) -> None:
    settings = {"epochs": epochs, "save_every": 2, "ema_decay": 0.9}
    finish(begin(n_processes, tiny_store, tmp_path / "whole", settings))
    kill_often(n_kills, n_processes, tiny_store, tmp_path / "killed", settings, seed=n_processes)
    whole, killed = (Checkpoint.load(tmp_path / name) for name in ("whole", "killed"))
    assert killed.settings["step"] == whole.settings["step"]
    assert killed.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(killed.tensors[name], tensor), name
    assert losses(killed) == losses(whole)
    names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("whole", "killed")]
    assert names[0] == names[1]


def losses(run: Checkpoint) -> list[tuple[float, float]]:
    """What the epochs tell, but for their speed."""
    return [(row["loss"], row["effective_rank"]) for row in run.settings["metrics"]]


def test_memories_survive_as_well(tiny_store: Path, tmp_path: Path) -> None:
    """Momentum encoder and queue are part of the checkpoint."""
    settings = {"epochs": 5, "save_every": 2, "objective": "MoCo"}
    finish(begin(1, tiny_store, tmp_path / "whole", settings))
    kill_often(2, 1, tiny_store, tmp_path / "killed", settings, seed=0)
    whole, killed = (Checkpoint.load(tmp_path / name).tensors for name in ("whole", "killed"))
    assert whole["objective.memory.rows"].any()
    assert all(torch.equal(killed[name], tensor) for name, tensor in whole.items())

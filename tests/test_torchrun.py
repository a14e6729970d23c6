"""`torchrun … -m tsclr pretrain` writes what one process writes, and says so once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tsclr.cli import main
from tsclr.embed.checkpoint import Checkpoint
from tsclr.train.runs import METRICS

CONFIG = Path(__file__).parent.parent / "configs" / "ntxent.yaml"
OPTIONS = ["--training.epochs=2", "--training.batch_size=32", "--training.windows_per_epoch=128"]


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / METRICS).read_text().splitlines()]


def test_two_processes_write_what_one_writes(tiny_store: Path, tmp_path: Path) -> None:
    words = ["pretrain", str(CONFIG), f"--data.source={tiny_store}", *OPTIONS]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "tsclr"]
    variables = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [*torchrun, *words, "--out", str(tmp_path / "two")],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"run: {tmp_path / 'two'}\nnext: ")
    lines = done.stderr.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]

    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    one, two = tmp_path / "one", tmp_path / "two"
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    assert [row.keys() for row in rows(two)] == [row.keys() for row in rows(one)]
    for found, expected in zip(rows(two), rows(one), strict=True):
        assert found["learning_rate"] == expected["learning_rate"]
        assert found["loss"] == pytest.approx(expected["loss"], rel=0.1)  # views are drawn anew
    found, expected = Checkpoint.load(two), Checkpoint.load(one)
    assert found.settings["step"] == expected.settings["step"] == 8
    shapes = [{name: t.shape for name, t in run.tensors.items()} for run in (found, expected)]
    assert shapes[0] == shapes[1]

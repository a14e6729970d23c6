from pathlib import Path

import pytest

from tsclr.cli import main
from tsclr.runs import METRICS

CONFIGS = sorted(Path("configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_takes_a_step(config: Path, tiny_store: Path, tmp_path: Path) -> None:
    words = [
        "pretrain", str(config), "--out", str(tmp_path / "run"), "--data.source", str(tiny_store),
        "--training.epochs", "1", "--training.batch_size", "32",
        "--training.windows_per_epoch", "32",
    ]  # fmt: skip
    assert main(words) == 0
    assert len((tmp_path / "run" / METRICS).read_text().splitlines()) == 1


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_short(config: Path) -> None:
    assert len(config.read_text().splitlines()) <= 30

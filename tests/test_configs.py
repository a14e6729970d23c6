from pathlib import Path

import pytest
import torch
import yaml

from tsclr.cli import main
from tsclr.embed.checkpoint import Checkpoint
from tsclr.train.runs import METRICS

CONFIGS = sorted(Path("configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_takes_a_step(config: Path, tiny_store: Path, tmp_path: Path) -> None:
    words = [
        "pretrain",
        str(config),
        "--out",
        str(tmp_path / "run"),
        "--data.source",
        str(tiny_store),
        "--training.epochs",
        "1",
        "--training.batch_size",
        "32",
        "--training.windows_per_epoch",
        "32",
    ]
    assert main(words) == 0
    assert len((tmp_path / "run" / METRICS).read_text().splitlines()) == 1


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_short(config: Path) -> None:
    assert len(config.read_text().splitlines()) <= 30


def test_a_pipeline_for_each_of_three_views(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = yaml.safe_load(Path("configs/ntxent_store.yaml").read_text())
    strong = config["views"]
    jitter = {"class_path": "Jitter", "init_args": {"sd": 0.01}}
    config["views"] = {
        "num_features": [jitter],  # a name that means something elsewhere
        "strong": strong,
        "either": [{"class_path": "OneOf", "init_args": {"augmentations": [jitter, *strong]}}],
    }
    config["data"]["source"] = str(tiny_store)
    config["training"] = {"epochs": 1, "batch_size": 32, "windows_per_epoch": 32}
    path = tmp_path / "three.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    assert main(["pretrain", str(path), "--out", str(tmp_path / "run")]) == 0
    views = Checkpoint.load(tmp_path / "run").settings["views"]
    words = ["--out", str(tmp_path / "again")]
    assert main(["pretrain", str(tmp_path / "run" / "config.yaml"), *words]) == 0
    assert Checkpoint.load(tmp_path / "again").settings["views"] == views
    config["views"] = dict(reversed(config["views"].items()))
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    assert main(["pretrain", str(path), "--out", str(tmp_path / "run"), "--resume"]) == 1
    assert "order of views: the run has num_features, strong, either" in capsys.readouterr().err
    assert list(views) == ["num_features", "strong", "either"]
    assert views["either"][0]["augmentations"][0] == {"class": "Jitter", "sd": 0.01, "p": 1.0}


def test_a_misspelt_view_inside_a_named_pipeline(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = yaml.safe_load(Path("configs/ntxent_store.yaml").read_text())
    config["views"] = {"weak": [{"class_path": "Jiter"}], "strong": []}
    config["data"]["source"] = str(tiny_store)
    path = tmp_path / "misspelt.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    assert main(["pretrain", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "did you mean Jitter" in capsys.readouterr().err


@pytest.mark.parametrize("named", [False, True])
def test_a_setting_out_of_range_is_told_in_one_line(
    named: bool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = yaml.safe_load(Path("configs/ntxent_store.yaml").read_text())
    views = [{"class_path": "Jitter", "init_args": {"sd": -0.1}}]
    config["views"] = {"weak": [], "strong": views} if named else views
    path = tmp_path / "negative.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["pretrain", str(path), "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "tsclr: sd is -0.1, allowed is 0 to 1000\n"


def test_the_config_of_a_run_with_encoders_inside_repeats_it(
    tiny_store: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load(Path("configs/cmc_hapt.yaml").read_text())
    config["encoder"]["init_args"]["encoders"][1] = {
        "class_path": "Spectrum",
        "init_args": {"encoder": {"class_path": "CNN1d", "init_args": {"width": 8}}},
    }
    config["data"]["source"] = str(tiny_store)
    config["training"] = {"epochs": 1, "batch_size": 32, "windows_per_epoch": 32}
    path = tmp_path / "inside.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["pretrain", str(path), "--out", str(tmp_path / "run")]) == 0
    again = ["--out", str(tmp_path / "again")]
    assert main(["pretrain", str(tmp_path / "run" / "config.yaml"), *again]) == 0
    first, second = (Checkpoint.load(tmp_path / name) for name in ("run", "again"))
    assert first.settings["encoder"]["encoders"][1]["encoder"]["width"] == 8
    assert first.settings["encoder"] == second.settings["encoder"]
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


def test_an_encoder_inside_another_is_told_its_channels_by_that(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = yaml.safe_load(Path("configs/cmc_hapt.yaml").read_text())
    config["encoder"]["init_args"]["encoders"][0]["init_args"]["in_channels"] = 3
    path = tmp_path / "told.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["pretrain", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "Option 'in_channels' is not accepted" in capsys.readouterr().err

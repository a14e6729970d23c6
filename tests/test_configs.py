"""Presets, and the front door that starts a pretraining from one."""

import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import yaml

from tests.support.objectives import KINDS
from tsclr.augment import Jitter, Rotate
from tsclr.cli import main
from tsclr.config.changes import changed
from tsclr.config.presets import about, config_file, presets
from tsclr.config.pretraining import pretrain, read_config, starter
from tsclr.data.settings import Data
from tsclr.data.store import Store
from tsclr.embed.checkpoint import Checkpoint
from tsclr.encoders import CNN1d
from tsclr.objectives import MoCo
from tsclr.pairs import SameWindow
from tsclr.specs import spec_of
from tsclr.train.runs import CONFIG, METRICS
from tsclr.train.settings import Training

PRESETS = list(presets())
TINY = {"epochs": 1, "batch_size": 32, "windows_per_epoch": 32, "min_rank": 0.0}
SMALL = {"encoder": {"class": "CNN1d", "width": 8}, "training": TINY}


def settings_of(run: Path) -> dict:
    return Checkpoint.load(run).settings


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_takes_a_step(name: str, tiny_store: Path, tmp_path: Path) -> None:
    run = pretrain(tiny_store, preset=name, out=tmp_path / "run", training=TINY)
    assert len((run / METRICS).read_text().splitlines()) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_short_and_says_what_it_is_for(name: str) -> None:
    assert len(config_file(name).read_text().splitlines()) <= 30
    assert about(config_file(name)).endswith(".")


@pytest.mark.parametrize("name", PRESETS)
def test_the_starter_of_a_preset_says_the_same_as_the_preset(name: str, tmp_path: Path) -> None:
    data = {"data": {"source": "synthetic"}}
    path = tmp_path / "starter.yaml"
    path.write_text(starter(name, data))
    assert read_config(path).contents() == read_config(name, data).contents()
    assert asdict(Training()).keys() == yaml.safe_load(path.read_text())["training"].keys()


def test_the_starter_explains_its_settings(capsys: pytest.CaptureFixture) -> None:
    assert main(["pretrain", "ntxent", "--print_config", "--training.epochs", "3"]) == 0
    text = capsys.readouterr().out
    assert "  epochs: 3                     # Passes over the training windows\n" in text
    assert "  source: store  " in text


@pytest.mark.parametrize("objective", KINDS)
def test_an_objective_without_a_preset_takes_the_views_and_pairs_of_ntxent(objective: str) -> None:
    if objective.lower() not in presets():
        given = read_config("ntxent", {"data": {"source": "hapt"}, "objective": objective})
        assert spec_of(given.objective) == spec_of(KINDS[objective]())
        assert type(given.views[0]).__name__ == "Crop"


def test_presets_are_listed_with_what_they_are_for(capsys: pytest.CaptureFixture) -> None:
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = [line.split()[0] for line in lines if line.split()]
    assert [word for word in words if word in PRESETS] == PRESETS
    assert max(map(len, lines)) <= 100
    assert lines[-1].startswith("next: tsclr pretrain ntxent ")


def test_a_wheel_holds_the_presets_and_finds_them(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "from tsclr.config.presets import *; print(folder(), *presets())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    where, *names = done.stdout.split()
    assert where == str(tmp_path / "site" / "tsclr" / "configs")
    assert names == PRESETS


def test_objects_names_and_specs_are_the_same_pretraining(tiny_store: Path, tmp_path: Path) -> None:
    as_objects = pretrain(
        Data(str(tiny_store), test=["04"]),
        out=tmp_path / "objects",
        objective=MoCo(queue=64),
        encoder=lambda n_channels: CNN1d(n_channels, width=8),
        views=[Rotate(), Jitter(sd=0.1)],
        pairing=SameWindow(),
        training=Training(**TINY),
    )
    as_specs = pretrain(
        {"source": str(tiny_store), "test": ["04"]},
        out=str(tmp_path / "specs"),
        objective={"class": "MoCo", "queue": 64},
        encoder={"width": 8},
        views=["Rotate", {"class": "Jitter", "sd": 0.1}],
        pairing="SameWindow",
        training=TINY | {"learning_rate": Training.learning_rate},
    )
    first, second = Checkpoint.load(as_objects), Checkpoint.load(as_specs)
    for name in ("data", "encoder", "objective", "views", "pairing", "training", "split"):
        assert first.settings[name] == second.settings[name]
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


def test_an_open_store_is_data_as_its_folder_is(tiny_store: Path, tmp_path: Path) -> None:
    opened = pretrain(Store.open(tiny_store), out=tmp_path / "opened", **SMALL)
    named = pretrain(tiny_store, out=tmp_path / "named", **SMALL)
    first, second = Checkpoint.load(opened), Checkpoint.load(named)
    assert first.settings["data"] == second.settings["data"]
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


def test_what_is_not_given_is_as_the_preset_has_it(tiny_store: Path, tmp_path: Path) -> None:
    run = pretrain(tiny_store, out=tmp_path / "run", training=TINY)
    ours, preset = settings_of(run), read_config("ntxent", {"data": {"source": "x"}})
    assert ours["views"] == spec_of(preset.views)
    assert ours["training"]["learning_rate"] == preset.training.learning_rate == 2e-3


def test_a_change_without_a_class_changes_arguments_and_one_with_a_class_replaces() -> None:
    before = {"objective": {"class": "NTXent", "temperature": 0.2}, "views": {"a": []}}
    assert changed(before, {"objective": {"width": 8}})["objective"] == {
        "class": "NTXent",
        "temperature": 0.2,
        "width": 8,
    }
    assert changed(before, {"objective": "MoCo"})["objective"] == "MoCo"
    assert changed(before, {"views": {"b": []}})["views"] == {"b": []}
    assert before["views"] == {"a": []}


def test_a_run_is_resumed_by_its_folder_alone(tiny_store: Path, tmp_path: Path) -> None:
    run = pretrain(tiny_store, out=tmp_path / "run", **SMALL)
    weights = (run / "checkpoint.safetensors").read_bytes()
    assert pretrain(resume=run) == run
    assert (run / "checkpoint.safetensors").read_bytes() == weights
    with pytest.raises(FileExistsError):
        pretrain(tiny_store, out=run, **SMALL)
    assert pretrain(tiny_store, out=run, resume=True, **SMALL) == run


def test_a_run_that_there_is_not_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no run to resume in .*nowhere"):
        pretrain(resume=tmp_path / "nowhere")


def test_a_run_needs_a_folder(tiny_store: Path) -> None:
    with pytest.raises(ValueError, match="no folder for the run is named"):
        pretrain(tiny_store)


def test_a_pipeline_for_each_of_three_views(tiny_store: Path, tmp_path: Path) -> None:
    jitter = {"class": "Jitter", "sd": 0.01}
    views = {
        "num_features": [jitter],  # a name that means something elsewhere
        "strong": ["Crop", "Rotate"],
        "either": [{"class": "OneOf", "augmentations": [jitter, "Crop"]}],
    }
    run = pretrain(tiny_store, out=tmp_path / "run", views=views, **SMALL)
    kept = settings_of(run)["views"]
    again = pretrain(preset=run / CONFIG, out=tmp_path / "again")
    assert settings_of(again)["views"] == kept
    assert list(kept) == list(views)
    assert kept["either"][0]["augmentations"][0] == {"class": "Jitter", "sd": 0.01, "p": 1.0}
    with pytest.raises(ValueError, match="order of views"):
        pretrain(resume=run, views=dict(reversed(views.items())))


def test_the_config_of_a_run_with_encoders_inside_repeats_it(
    tiny_store: Path, tmp_path: Path
) -> None:
    spectrum = {"class": "Spectrum", "encoder": {"class": "CNN1d", "width": 8}}
    encoder = {"encoders": [{"class": "CNN1d", "width": 45}, spectrum]}
    first = pretrain(tiny_store, preset="cmc", out=tmp_path / "run", encoder=encoder, training=TINY)
    second = pretrain(preset=first / CONFIG, out=tmp_path / "again")
    assert "in_channels" not in (first / CONFIG).read_text()
    one, two = Checkpoint.load(first), Checkpoint.load(second)
    assert one.settings["encoder"]["encoders"][1]["encoder"]["width"] == 8
    assert one.settings["encoder"] == two.settings["encoder"]
    assert all(torch.equal(one.tensors[name], two.tensors[name]) for name in one.tensors)


def test_the_folder_of_a_run_may_be_named_in_its_config(tiny_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    contents = {"data": {"source": str(tiny_store)}, "out": str(tmp_path / "run")} | SMALL
    preset = yaml.safe_load(config_file("ntxent").read_text())
    path.write_text(yaml.safe_dump(preset | contents))
    assert pretrain(preset=path) == tmp_path / "run"


def test_a_class_of_the_user_is_named_by_its_path(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "from tsclr.encoders import CNN1d\n\nclass Narrow(CNN1d):\n    '''Mine.'''\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = pretrain(
        tiny_store,
        out=tmp_path / "run",
        encoder={"class": "mine.Narrow", "width": 8},
        training=TINY,
    )
    assert settings_of(run)["encoder"]["class"] == "Narrow"
    assert yaml.safe_load((run / CONFIG).read_text())["encoder"]["class"] == "mine.Narrow"
    assert pretrain(resume=run) == run


def test_resume_without_a_folder_goes_on_with_the_run_in_out(
    tiny_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = pretrain(tiny_store, out=tmp_path / "a run", **SMALL)
    with caplog.at_level("INFO"):
        assert main(["pretrain", "--resume", "--out", str(run)]) == 0
    assert "the run is finished (1 of 1 epochs)" in caplog.text
    assert f"next: tsclr embed '{run}'" in capsys.readouterr().out


def test_the_config_of_an_earlier_version_is_still_read(tiny_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"data: {{source: '{tiny_store}'}}\n"
        "encoder: {class_path: tsclr.encoders.convolutional.CNN1d, init_args: {width: 8}}\n"
        "objective: {class_path: NTXent, init_args: {temperature: 0.2}}\n"
        "pairing: {class_path: Neighbour}\n"
        "views: [{class_path: Jitter, init_args: {sd: 0.02}}]\n"
        f"out: {tmp_path / 'run'}\n"
    )
    run = pretrain(preset=path, training=TINY)
    assert settings_of(run)["encoder"]["width"] == 8

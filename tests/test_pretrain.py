import dataclasses
import json
import logging
import math
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.support.recordings import recording
from tests.support.training import tiny_pretrain
from tsclr.augment import Jitter
from tsclr.cli import main
from tsclr.data.identity import fingerprints
from tsclr.data.settings import MEMORY, Data
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.embed.embedder import Embedder
from tsclr.embed.fitting import fit_whitening, neighbours
from tsclr.embed.whitening import PairWhitening
from tsclr.encoders import CNN1d, Statistics
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.specs import differences
from tsclr.train.optimisers import learning_rate
from tsclr.train.pretrain import pretrain
from tsclr.train.runs import CONFIG, METRICS, environment
from tsclr.train.settings import Training
from tsclr.train.setup import pick_device, sensor_scale
from tsclr.train.state import State
from tsclr.types import Recording


def test_a_run_folder_tells_everything(tiny_run: Path, tiny_store: Path) -> None:
    metrics = [json.loads(line) for line in (tiny_run / METRICS).read_text().splitlines()]
    assert [row["epoch"] for row in metrics] == [1, 2, 3]
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    assert metrics[-1]["loss"] == pytest.approx(metrics[-1]["nt_xent"])
    assert all(math.isfinite(value) for row in metrics for value in row.values())
    told = json.loads((tiny_run / "run.json").read_text())
    assert {"tsclr", "commit", "python", "packages", "processor", "seed", "split"} <= told.keys()
    checkpoint = Checkpoint.load(tiny_run)
    assert checkpoint.settings["split"]["test"] == ["04"]
    assert checkpoint.settings["data"]["source"] == str(tiny_store)
    assert checkpoint.settings["metrics"] == metrics
    assert checkpoint.input_spec.units == ("g", "g", "g", "rad/s", "rad/s", "rad/s")


def test_a_machine_without_git_tells_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment()["commit"] is None


def test_the_test_subject_is_not_seen(tiny_run: Path, tiny_store: Path) -> None:
    split = Checkpoint.load(tiny_run).settings["split"]
    assert sorted(split["train"] + split["validation"] + split["test"]) == sorted(
        Store.open(tiny_store).subjects
    )
    assert len(split["validation"]) == 1


def _tensors(run: Path) -> dict[str, torch.Tensor]:
    return Checkpoint.load(run).tensors


def _assert_same_weights(run: Path, other: Path) -> None:
    found, expected = _tensors(run), _tensors(other)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_resume_ends_with_the_weights_of_an_uninterrupted_run(
    tiny_run: Path, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = State.save

    def stop_after_two(self: State, out: Path, *rest: object) -> None:
        save(self, out, *rest)
        if len(self.metrics) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        tiny_pretrain(tiny_store, tmp_path / "run")
    monkeypatch.undo()
    assert Checkpoint.load(tmp_path / "run").settings["epoch"] == 2
    tiny_pretrain(tiny_store, tmp_path / "run", resume=True)
    _assert_same_weights(tmp_path / "run", tiny_run)


def test_resume_keeps_optimiser_and_objective_unlike_ts2vec(tiny_run: Path) -> None:
    checkpoint = Checkpoint.load(tiny_run)
    moments = checkpoint.section("optimizer")
    assert any(name.endswith("exp_avg_sq") for name in moments)
    assert checkpoint.section("objective")


@pytest.mark.parametrize("nth", range(1, 9))
def test_stopped_at_any_write_a_rerun_ends_with_the_same_weights(
    nth: int, tiny_run: Path, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    replace = Path.replace

    def stop(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == nth:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        tiny_pretrain(tiny_store, tmp_path / "run")
    monkeypatch.undo()
    (tmp_path / "run" / ".checkpoint.safetensors.1.part").write_text("half written")
    tiny_pretrain(tiny_store, tmp_path / "run", resume=True)
    _assert_same_weights(tmp_path / "run", tiny_run)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {path.name for path in tiny_run.iterdir()}


def test_a_run_is_not_overwritten(tiny_run: Path, tiny_store: Path) -> None:
    with pytest.raises(FileExistsError, match="--resume"):
        tiny_pretrain(tiny_store, tiny_run)


def test_resume_with_another_encoder_is_refused(
    tiny_run: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.training.CNN1d", partial(CNN1d, dropout=0.5))
    with pytest.raises(
        ValueError, match=r"encoder\.dropout: the run has 0\.0, now requested is 0\.5"
    ):
        tiny_pretrain(tiny_store, tiny_run, resume=True)


def test_resume_with_other_settings_is_refused(tiny_run: Path, tiny_store: Path) -> None:
    with pytest.raises(ValueError) as refused:
        tiny_pretrain(tiny_store, tiny_run, resume=True, batch_size=16, learning_rate=0.1)
    assert str(refused.value) == (
        f"the run in {tiny_run} was started with other settings. training.batch_size: the run "
        "has 32, now requested is 16; training.learning_rate: the run has 0.005, now requested is "
        f"0.1. Continue with `tsclr pretrain --resume {tiny_run}`, or choose another folder"
    )


def test_resume_with_other_subjects_or_views_is_refused(
    tiny_run: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The split differs too, but follows from the subjects that are tested.
    message = r"settings\. data\.test: the run has 04, now requested is nothing\. Continue"
    with pytest.raises(ValueError, match=message):
        tiny_pretrain(tiny_store, tiny_run, resume=True, data={})
    monkeypatch.setattr("tests.support.training.Jitter", partial(Jitter, p=0.25))
    with pytest.raises(
        ValueError, match=r"views\[1\]\.p: the run has 1\.0, now requested is 0\.25"
    ):
        tiny_pretrain(tiny_store, tiny_run, resume=True)


def test_the_order_of_named_views_is_a_setting() -> None:
    kept = {"weak": [], "strong": []}
    assert list(differences("the run", kept, {"strong": [], "weak": []}, "views")) == [
        "order of views: weak, strong in the run, now strong, weak"
    ]
    assert not list(differences("the run", kept, dict(kept), "views"))


def test_a_run_trains_on_along_the_schedule_of_the_longer_run(
    tiny_run: Path, tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    with caplog.at_level(logging.INFO):
        tiny_pretrain(tiny_store, run, resume=True, epochs=5)
    longer, before = (Checkpoint.load(path).settings for path in (run, tiny_run))
    n_steps = 5 * before["step"] // 3
    assert f"5 epochs instead of 3: from step {before['step']} on" in caplog.text
    assert (longer["epoch"], longer["step"]) == (5, n_steps)
    assert longer["metrics"][:3] == before["metrics"]
    training = Training(**longer["training"])
    assert [row["learning_rate"] for row in longer["metrics"][3:]] == [
        learning_rate(epoch * n_steps // 5 - 1, n_steps, training) for epoch in (4, 5)
    ]
    assert yaml.safe_load((run / CONFIG).read_text())["training"]["epochs"] == 5


def test_training_on_is_exact_wherever_it_was_stopped(
    tiny_run: Path, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = (Path(shutil.copytree(tiny_run, tmp_path / name)) for name in "ab")
    tiny_pretrain(tiny_store, whole, resume=True, epochs=5)
    save = State.save

    def stop_after_four(self: State, out: Path, *rest: object) -> None:
        save(self, out, *rest)
        if len(self.metrics) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", stop_after_four)
    with pytest.raises(KeyboardInterrupt):
        tiny_pretrain(tiny_store, stopped, resume=True, epochs=5)
    monkeypatch.undo()
    tiny_pretrain(tiny_store, stopped, resume=True, epochs=5)
    _assert_same_weights(stopped, whole)


def test_a_run_may_be_shortened_to_what_is_not_done_yet(
    tiny_run: Path, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = r"training\.epochs is 2, but the run in .* has done 3 epochs"
    with pytest.raises(ValueError, match=message):
        tiny_pretrain(tiny_store, tiny_run, resume=True, epochs=2)
    save = State.save

    def stop_after_one(self: State, out: Path, *rest: object) -> None:
        save(self, out, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        tiny_pretrain(tiny_store, tmp_path / "run", epochs=9)
    monkeypatch.undo()
    tiny_pretrain(tiny_store, tmp_path / "run", resume=True, epochs=2)
    assert Checkpoint.load(tmp_path / "run").settings["epoch"] == 2


def test_an_unfinished_run_says_so_when_it_is_used(
    tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint.load(tiny_run)
    tensors = {k: v for k, v in checkpoint.tensors.items() if not k.startswith("readout.")}
    training = checkpoint.settings["training"] | {"epochs": 5}
    unfinished = Checkpoint(tensors, checkpoint.settings | {"training": training})
    unfinished.save(tmp_path / FILE)
    Embedder.load(tiny_run)
    Checkpoint.load(tmp_path)
    assert not caplog.text
    Embedder.load(tmp_path)
    assert "unfinished: 3 of 5 epochs are done" in caplog.text
    assert f"`tsclr pretrain --resume {tmp_path}` finishes it" in caplog.text


def test_a_store_in_memory_is_trained_on_and_known_by_its_recordings(
    tiny_store: Path, tmp_path: Path
) -> None:
    on_disk = Store.open(tiny_store)
    in_memory = dataclasses.replace(on_disk, source=None)
    arguments = CNN1d, NTXent(hidden=16, width=8), [Jitter()], Neighbour(2.56)
    training, out = Training(epochs=1, batch_size=32), str(tmp_path / "run")
    run = pretrain(Data(in_memory), *arguments, training, out)
    settings = Checkpoint.load(run).settings
    assert (settings["data"]["source"], settings["place"]) == ("memory", "memory")
    assert settings["seen"] == fingerprints(on_disk, on_disk.subjects)
    assert pretrain(Data(in_memory), *arguments, training, out, resume=True) == run
    with pytest.raises(FileNotFoundError, match="were a store in memory"):
        Data(**settings["data"]).open()
    pretrain(Data(on_disk), *arguments, training, tmp_path / "named")
    named = Checkpoint.load(tmp_path / "named").settings
    assert named["data"]["source"] == str(tiny_store)
    _assert_same_weights(run, tmp_path / "named")


def test_a_dataset_opened_before_is_recorded_and_tested_by_its_name() -> None:
    store = Store.load("synthetic")
    opened, split = Data(store).open()
    assert opened is store
    assert split == Data("synthetic").open()[1]
    assert Data(store).settings() == Data("synthetic").settings()
    assert Data(store.with_channels(store.channels[:3])).name == MEMORY


def test_values_beyond_single_precision_are_named_before_training(tmp_path: Path) -> None:
    recordings = [recording(600, f"s{k}", f"walk{k}", seed=k) for k in range(3)]
    recordings[1].signal[300, 2] = -1e38
    message = r"recording 'walk1' of subject s1 holds values up to 1e\+38, allowed .* 1e\+15"
    data = Data(Store.build(recordings), validation=["s2"])
    with pytest.raises(ValueError, match=message):
        pretrain(data, CNN1d, NTXent(), [Jitter()], Neighbour(2.56), Training(), tmp_path)


def test_a_finished_run_resumes_to_itself(tiny_run: Path, tiny_store: Path) -> None:
    before = (tiny_run / FILE).read_bytes()
    tiny_pretrain(tiny_store, tiny_run, resume=True)
    assert (tiny_run / FILE).read_bytes() == before


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(
    tiny_run: Path, tiny_store: Path, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    tiny_pretrain(tiny_store, tmp_path / "again")
    assert torch.equal(torch.rand(3), expected)
    _assert_same_weights(tmp_path / "again", tiny_run)


def test_input_scale_is_the_root_mean_square_of_each_sensor(tiny_store: Path) -> None:
    windows = Windows.sliding(Store.open(tiny_store), 128, 128)
    signal = windows.take(range(len(windows))).double()
    acc, gyr = signal[:, :3].square().mean().sqrt(), signal[:, 3:].square().mean().sqrt()
    expected = torch.tensor([acc, acc, acc, gyr, gyr, gyr]).float()
    torch.testing.assert_close(sensor_scale(windows, 0), expected)


def test_a_silent_sensor_has_scale_one() -> None:
    channels = ("acc_x", "acc_y", "acc_z")
    silent = Recording(
        signal=np.zeros((500, 3), np.float32),
        sample_rate=50.0,
        channels=channels,
        subject="1",
        name="silent",
    )
    assert sensor_scale(Windows.sliding(Store.build([silent]), 128, 64), 0).tolist() == [1.0] * 3


def test_channels_of_one_word_are_sensors_of_their_own() -> None:
    signal = np.tile(np.float32([3.0, 40.0]), (500, 1))
    two = Recording(
        signal=signal, sample_rate=50.0, channels=("pulse", "humidity"), subject="1", name="two"
    )
    assert sensor_scale(Windows.sliding(Store.build([two]), 128, 64), 0).tolist() == [3.0, 40.0]


def test_whitening_is_fitted_on_neighbours_at_the_end(tiny_run: Path, tiny_store: Path) -> None:
    checkpoint = Checkpoint.load(tiny_run)
    split = checkpoint.settings["split"]
    streams = Windows.sliding(Store.open(tiny_store), 128, 64, split["train"])
    arrays = {name: tensor.numpy() for name, tensor in checkpoint.section("readout").items()}
    kept = PairWhitening.from_arrays(arrays)
    fitted = fit_whitening(checkpoint.encoder(), streams)
    np.testing.assert_allclose(kept.mean_, fitted.mean_, rtol=1e-5)
    np.testing.assert_allclose(kept.eigenvalues_, fitted.eigenvalues_, rtol=1e-4)


def test_neighbours_of_the_whitening_are_a_stride_away_in_their_own_recording() -> None:
    def lasting(n: int) -> Recording:
        signal = np.zeros((n, 1), np.float32)
        return Recording(
            signal=signal, sample_rate=50.0, channels=("acc_x",), subject="1", name=f"{n}"
        )

    short_and_long = Store.build([lasting(110), lasting(900)])
    sparse = Windows.sliding(short_and_long, 100, 400)
    assert sparse.starts.tolist() == [0, 110, 510, 910]
    assert neighbours(sparse).alone(sparse).tolist() == [True, False, False, False]
    single = Windows.sliding(Store.build([lasting(110), lasting(120)]), 100, 400)
    assert neighbours(single).seconds == 2.0


def test_an_encoder_without_parameters_is_refused(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Statistics has no parameter"):
        pretrain(
            Data(str(tiny_store)),
            Statistics,
            NTXent(),
            [Jitter()],
            Neighbour(),
            Training(),
            tmp_path,
        )


def test_a_diverging_loss_stops_with_advice(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"lower training\.learning_rate"):
        pretrain(
            Data(str(tiny_store)),
            partial(CNN1d, width=8),
            NTXent(),
            [],
            Neighbour(),
            Training(epochs=3, batch_size=32, learning_rate=1e30),
            tmp_path,
        )


def test_a_loss_that_diverges_within_a_short_epoch_is_told_as_such(
    tiny_store: Path, tmp_path: Path
) -> None:
    """Before the features of validation windows, which are no numbers either."""
    with pytest.raises(FloatingPointError, match="the loss became nan"):
        tiny_pretrain(tiny_store, tmp_path, learning_rate=1e30, windows_per_epoch=64)


def test_whitening_is_of_the_weights_it_lies_beside(
    tiny_store: Path, tmp_path: Path, tiny_run: Path
) -> None:
    """Also where a run that came to rest goes on after all."""
    tiny_pretrain(tiny_store, tmp_path / "run", epochs=9, patience=1, min_rank=0.0)
    n_epochs = Checkpoint.load(tmp_path / "run").settings["epoch"]
    assert n_epochs < 9
    tiny_pretrain(tiny_store, tmp_path / "run", resume=True, epochs=9)
    tiny_pretrain(tiny_store, tmp_path / "whole", epochs=9)
    _assert_same_weights(tmp_path / "run", tmp_path / "whole")


def test_a_run_of_another_version_is_not_gone_on_with(
    tiny_run: Path, tiny_store: Path, tmp_path: Path
) -> None:
    old = Checkpoint.load(tiny_run)
    del old.settings["training"]["accumulate"]
    del old.settings["sums"]
    old.save(tmp_path / FILE)
    with pytest.raises(ValueError, match="was written by another version of tsclr"):
        tiny_pretrain(tiny_store, tmp_path, resume=True)


def test_files_of_a_run_may_be_read_by_the_same_people(tiny_run: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in tiny_run.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("setting", ["epochs", "batch_size", "learning_rate", "clip_norm"])
def test_settings_out_of_range_are_named(setting: str) -> None:
    with pytest.raises(ValueError, match=rf"training\.{setting} is 0"):
        Training(**{setting: 0})


@pytest.mark.parametrize("setting", ["learning_rate", "clip_norm", "weight_decay", "warmup"])
def test_what_is_no_number_is_named(setting: str) -> None:
    with pytest.raises(ValueError, match=rf"training\.{setting} is nan"):
        Training(**{setting: math.nan})


@pytest.mark.parametrize(("setting", "given"), [("optimizer", "adam"), ("precision", "bf8")])
def test_unknown_names_are_refused(setting: str, given: str) -> None:
    training = Training()
    setattr(training, setting, given)  # in tests, the annotation of an argument is checked before
    with pytest.raises(ValueError, match=rf"training\.{setting} is '{given}', it must be one of"):
        training.__post_init__()


def test_warmup_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match=r"training\.warmup is 1"):
        Training(warmup=1.0)


def test_a_window_longer_than_every_recording_is_refused(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="longer than every stretch"):
        tiny_pretrain(tiny_store, tmp_path, data={"window": 10_000.0})


def test_one_subject_is_too_few(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two are needed"):
        tiny_pretrain(tiny_store, tmp_path, data={"test": ["02", "03", "04"]})


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that is not there")
def test_a_missing_device_is_named() -> None:
    with pytest.raises(ValueError, match="device is cuda"):
        pick_device("cuda")
    assert pick_device("auto").type == "cpu"


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match=r"the 2 GPUs of this machine.* --nproc-per-node 2"):
        pick_device("cuda")


def test_no_space_left_keeps_the_run(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("tsclr.embed.checkpoint.save", full)
    with pytest.raises(OSError, match="no space left"):
        tiny_pretrain(tiny_store, tmp_path / "run")
    monkeypatch.undo()
    tiny_pretrain(tiny_store, tmp_path / "run")
    assert Checkpoint.load(tmp_path / "run").settings["epoch"] == 3


SAME_WINDOW = (
    "pretrain",
    "ntxent_quick",
    "--pairing=SameWindow",
    "--training.epochs=1",
    "--training.batch_size=16",
)


def test_windows_that_start_far_apart_are_whitened_too(tiny_store: Path, tmp_path: Path) -> None:
    far = {"test": ["04"], "window": 2.56, "stride": 5.12}
    with pytest.raises(ValueError, match=r"another 0 to 2\.56 s away in its recording: raise"):
        tiny_pretrain(tiny_store, tmp_path / "run", data=far, epochs=1)
    assert (
        main(
            [
                *SAME_WINDOW,
                f"--data.source={tiny_store}",
                "--data.stride=5.12",
                f"--out={tmp_path / 'far'}",
            ]
        )
        == 0
    )
    assert Checkpoint.load(tmp_path / "far").section("readout")


def test_recordings_of_one_window_have_no_whitening(tmp_path: Path) -> None:
    brief = [recording(128, f"s{k}", seed=k) for k in range(40)]
    Store.build(brief).write(tmp_path / "store")
    words = [f"--data.source={tmp_path / 'store'}", f"--out={tmp_path / 'run'}"]
    assert main([*SAME_WINDOW, *words]) == 0
    assert not Checkpoint.load(tmp_path / "run").section("readout")
    with pytest.raises(ValueError, match="no window had a neighbour; embed without whitening"):
        Embedder.load(tmp_path / "run", whiten=True)

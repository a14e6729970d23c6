import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.encoders import CNN1d, Transformer
from tsclr.types import InputSpec

SPEC = InputSpec(("acc_x", "acc_y", "acc_z"), 50.0, 64)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Checkpoint.of(CNN1d(3, width=8), SPEC, epoch=4).save(tmp_path / FILE)
    return tmp_path / FILE


def test_round_trip_keeps_weights_settings_and_output(tmp_path: Path) -> None:
    encoder = CNN1d(3, width=8, pooling=("mean", "std")).eval()
    encoder.input_scale.fill_(2.0)
    Checkpoint.of(encoder, SPEC, epoch=4).save(tmp_path / FILE)
    loaded = Checkpoint.load(tmp_path)
    x = torch.randn(5, 3, 64)
    assert loaded.input_spec == SPEC
    assert loaded.settings["epoch"] == 4
    torch.testing.assert_close(loaded.encoder()(x), encoder(x), rtol=0, atol=0)


def test_parts_come_back_without_their_prefix(tmp_path: Path) -> None:
    part = {"a.b": torch.arange(3), "c": torch.ones(2, 2)}
    Checkpoint({}, {}).adding("x", part).adding("xy", {"d": torch.ones(1)}).save(tmp_path / FILE)
    found = Checkpoint.load(tmp_path).section("x")
    assert found.keys() == part.keys()
    assert all(torch.equal(found[name], part[name]) for name in part)


def test_missing_checkpoint_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="tsclr pretrain"):
        Checkpoint.load(tmp_path / "nowhere.safetensors")


def test_a_folder_that_is_no_run_says_what_it_holds(path: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(FileNotFoundError, match=r"is not a run, .* \(it holds nothing\): name the"):
        Checkpoint.load(tmp_path / "other")
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"\(it holds notes\.txt\)"):
        Checkpoint.load(tmp_path / "other")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    path.rename(tmp_path / "runs" / "a" / FILE)
    with pytest.raises(FileNotFoundError, match=r"is not a run, but holds 1: name one of .*runs.a"):
        Checkpoint.load(str(tmp_path / "runs"))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_truncated_checkpoint_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match="truncated or damaged"):
        Checkpoint.load(path)


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"damaged|altered"):
            Checkpoint.load(path)


def test_another_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsclr.embed.checkpoint.FORMAT", 2)
    with pytest.raises(ValueError, match="another checkpoint format than 2"):
        Checkpoint.load(path)


def test_safetensors_of_other_programs_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / FILE)
    with pytest.raises(ValueError, match="checksum"):
        Checkpoint.load(tmp_path)


def test_a_class_outside_the_package_is_not_imported(tmp_path: Path) -> None:
    Checkpoint({}, {"encoder": {"class": "os.system", "in_channels": 3}}).save(tmp_path / FILE)
    with pytest.raises(ValueError, match=r"no Encoder called 'os\.system'"):
        Checkpoint.load(tmp_path).encoder()


def test_an_argument_of_another_version_is_explained(tmp_path: Path) -> None:
    Checkpoint({}, {"encoder": {"class": "CNN1d", "in_channels": 3, "heads": 2}}).save(
        tmp_path / FILE
    )
    with pytest.raises(ValueError, match=r"CNN1d has no argument 'heads'.*version of tsclr"):
        Checkpoint.load(tmp_path).encoder()


def test_weights_of_another_architecture_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit this Transformer"):
        Checkpoint.load(path).restore("encoder", Transformer(3))


def test_full_disk_leaves_the_old_checkpoint(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr("tsclr.embed.checkpoint.save", full)
    with pytest.raises(OSError, match="no space left while writing"):
        Checkpoint.of(CNN1d(3, width=8), SPEC, epoch=5).save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]

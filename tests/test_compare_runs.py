"""`tsclr runs` lists what lies in a folder, and draws it."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.support.training import tiny_pretrain
from tsclr.cli import main
from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.explore.runs import compare, find_runs
from tsclr.report.runs import run_curves


@pytest.fixture(scope="module")
def runs(tiny_run: Path, tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs at different depths, one of them stopped early."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(tiny_run, folder / "deep" / "three")
    tiny_pretrain(tiny_store, folder / "stopped", epochs=9, patience=1, min_rank=0.0)
    return folder


def test_every_run_is_a_row(runs: Path) -> None:
    table = compare(find_runs(runs)).set_index("run")
    assert list(table.index) == ["deep/three", "stopped"]
    assert table.loc["deep/three", "epochs"] == 3
    assert (table["state"] == "done").all()
    assert (table["objective"] == "NTXent").all()
    assert (table["effective_rank"] > 1).all()


def test_a_run_that_was_cut_off_is_called_so(runs: Path, tiny_run: Path) -> None:
    settings = find_runs(tiny_run)
    assert list(settings) == [tiny_run.name]
    settings[tiny_run.name]["metrics"].pop()
    assert compare(settings)["state"].tolist() == ["unfinished"]


def test_the_command_prints_and_draws(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["runs", str(runs), "--plot", str(tmp_path / "runs.html")]) == 0
    told = capsys.readouterr().out
    assert "stopped" in told
    assert "runs.html" in told
    page = (tmp_path / "runs.html").read_text()
    assert "a line for each of 2 runs" in page
    assert page.count("deep/three") >= 2


def test_a_folder_without_runs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["runs", str(tmp_path)]) == 1
    assert f"no run in {tmp_path}" in capsys.readouterr().err


def test_a_damaged_run_is_told_and_left_out(
    runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    file = tmp_path / "runs" / "stopped" / FILE
    file.write_bytes(file.read_bytes()[:-9])
    assert list(find_runs(tmp_path / "runs")) == ["deep/three"]
    assert "stopped" in caplog.text


def test_a_collapsed_run_is_called_so(tiny_run: Path) -> None:
    settings = find_runs(tiny_run)
    settings[tiny_run.name]["metrics"][-1]["effective_rank"] = 1.2
    assert compare(settings)["state"].tolist() == ["collapsed"]


def test_an_encoder_without_a_run_is_told_and_left_out(
    runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    run = Checkpoint.load(runs / "stopped")
    (tmp_path / "runs" / "encoder").mkdir()
    Checkpoint.of(run.encoder(), run.input_spec).save(tmp_path / "runs" / "encoder" / FILE)
    assert list(find_runs(tmp_path / "runs")) == ["deep/three", "stopped"]
    assert "is not a run" in caplog.text


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="none of effective_rank"):
        run_curves(pd.DataFrame({"run": ["a"], "epoch": [1], "loss": [2.0]}))

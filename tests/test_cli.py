import importlib
import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tsclr.cli import main
from tsclr.cli.command import COMMANDS
from tsclr.config.options import parse_words
from tsclr.embed.checkpoint import Checkpoint

LOG_OPTIONS = [
    "--columns",
    "{acc_x: ax, acc_y: ay, acc_z: az, gyr_x: gx, gyr_y: gy, gyr_z: gz}",
    "--units",
    "{acc: m/s², gyr: deg/s}",
    "--time",
    "time",
    "--label",
    "activity",
    "--pattern",
    r"subject(?P<subject>\d+)_phone",
]


MARKUP = re.compile(r"``|`|<class|typing\.|collections\.|Optional\[|Sequence\[|list\[|NoneType")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture) -> None:
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0].startswith(f"usage: tsclr {name}")
    assert 1 <= lines.index("For example:") - 3 <= 3  # at most two lines of what it does
    assert max(map(len, lines)) <= 100
    assert not MARKUP.search(text)
    examples = [line.split() for line in lines if line.startswith(f"  tsclr {name}")]
    assert examples
    for words in examples:  # every option of an example is one
        parse_words(words[1 + len(name.split()) :], COMMANDS[name].options())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_has_the_options_that_people_use(
    name: str, capsys: pytest.CaptureFixture
) -> None:
    command = COMMANDS[name]
    options = {option.name for option in command.options() if not option.positional}
    assert set(command.common) <= options
    assert len(command.common) <= 10
    assert main([*name.split(), "--help"]) == 0
    short = capsys.readouterr().out
    assert main([*name.split(), "--help-all"]) == 0
    complete = capsys.readouterr().out
    assert all(f"  --{option.replace('_', '-')}" in complete for option in options)
    assert ("--help-all" in short) == (len(command.common) < len(options))
    assert not MARKUP.search(complete)
    assert max(map(len, complete.splitlines())) <= 100


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_the_overview_lists_every_command(words: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(words) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize("words", [["data"], ["data", "--help"]])
def test_a_family_of_commands_lists_its_members(
    words: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "data list" in shown
    assert "data fetch" in shown
    assert "ingest" not in shown


def test_no_command_shows_the_overview_and_fails(capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture) -> None:
    from tsclr import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_a_misspelt_command_gets_the_near_one(capsys: pytest.CaptureFixture) -> None:
    assert main(["pretrian"]) == 2
    assert "did you mean pretrain?" in capsys.readouterr().err
    assert main(["data", "lst"]) == 2
    assert (
        "no command 'data lst': did you mean data list? Allowed: data " in capsys.readouterr().err
    )


def test_help_is_quick_because_torch_is_not_imported() -> None:
    code = "import sys; from tsclr.cli import main; main(['--help']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")


def test_a_users_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["probe", str(tmp_path / "nowhere")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("tsclr: no checkpoint")
    assert "Traceback" not in told


def test_debug_shows_where_it_arose(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        main(["probe", str(tmp_path / "nowhere"), "--debug"])


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_command_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("tsclr.demo.demo", interrupt)
    assert main(["demo", "--out", "my demo"]) == 130
    assert capsys.readouterr().err == "tsclr: interrupted; to go on: tsclr demo --out 'my demo'\n"


def test_an_interrupted_pretraining_goes_on_with_its_folder(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ["pretrain", "ntxent_quick", "--data.source", str(tiny_store), "--out"]
    words += [str(tmp_path / "run"), "--training.batch_size=32", "--training.epochs=2"]
    engine = importlib.import_module("tsclr.train.pretrain")
    with monkeypatch.context() as patched:
        patched.setattr(engine, "describe", interrupt)  # before there is a run
        assert main(words) == 130
        assert shlex.split(capsys.readouterr().err.partition("go on: tsclr ")[2]) == words
    with monkeypatch.context() as patched:
        patched.setattr(engine, "watch", interrupt)  # at the end of the first epoch
        assert main(words) == 130
    again = shlex.split(capsys.readouterr().err.partition("go on: tsclr ")[2])
    assert again == ["pretrain", "--resume", str(tmp_path / "run")]
    assert main(again) == 0
    assert Checkpoint.load(tmp_path / "run").settings["epoch"] == 2


def test_scientific_notation_without_a_point_is_a_number(tiny_store: Path, tmp_path: Path) -> None:
    words = f"--data.source {tiny_store} --out {tmp_path / 'run'} --training.learning-rate 1e-3"
    words += " --training.epochs 1 --training.windows-per-epoch 32 --training.batch-size=32"
    assert main(["pretrain", "ntxent_quick", *words.split()]) == 0
    assert Checkpoint.load(tmp_path / "run").settings["training"]["learning_rate"] == 1e-3


def test_the_module_is_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["tsclr", "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("tsclr", run_name="__main__")
    assert stopped.value.code == 0
    assert "usage: tsclr" in capsys.readouterr().out


def test_demo_prints_the_report_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("tsclr.demo.demo", lambda out, seed: out / f"{seed}.html")
    assert main(["demo", "--out", str(tmp_path), "--seed", "3"]) == 0
    assert capsys.readouterr().out == f"next: open {tmp_path / '3.html'}\n"


def test_data_list_names_every_dataset_within_100_columns(capsys: pytest.CaptureFixture) -> None:
    assert main(["data", "list"]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 100
    assert all(name in told for name in ("hapt", "motionsense", "synthetic"))


def test_data_fetch_needs_a_name(capsys: pytest.CaptureFixture) -> None:
    assert main(["data", "fetch"]) == 2
    assert "NAME is missing: Name as tsclr data list has it" in capsys.readouterr().err


def test_data_fetch_of_a_simulation_says_there_is_nothing(capsys: pytest.CaptureFixture) -> None:
    assert main(["data", "fetch", "synthetic"]) == 1
    assert "no archive to fetch" in capsys.readouterr().err


def test_the_whole_path_from_logs_to_vectors(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    store, run = tmp_path / "store", tmp_path / "run"
    assert main(["ingest", str(logs), "--out", str(store), "--rate", "50", *LOG_OPTIONS]) == 0
    told = capsys.readouterr().out
    assert "4 subjects" in told
    assert "read as: acc m/s², gyr deg/s" in told
    assert told.splitlines()[-1].startswith(f"next: tsclr pretrain ntxent --data.source {store}")
    words = [
        "pretrain",
        "ntxent",
        "--out",
        str(run),
        "--data.source",
        str(store),
        "--data.test",
        "03,04",
        "--encoder.width",
        "8",
        "--training.epochs",
        "1",
        "--training.batch_size",
        "32",
    ]
    assert main(words) == 0
    assert main(words) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["pretrain", "--resume", str(run)]) == 0
    capsys.readouterr()
    scores = tmp_path / "scores.json"
    words = ["probe", str(run), "--budgets", "1,all", "--draws", "2", "--json", str(scores)]
    assert main([*words, "--heads", "linear", "--classes", "walking,running,sitting"]) == 0
    rows = json.loads(scores.read_text())["rows"]
    assert {"method", "budget", "macro_f1_mean", "macro_f1_sd", "draws"} <= rows[0].keys()
    told = capsys.readouterr().out
    assert "Macro F1 by labels per class, on 2 test subjects (" in told
    assert "± is the SD over 2 label draws" in told
    assert told.splitlines()[-1] == f"next: tsclr bench audit {scores}"
    assert max(map(len, told.splitlines()[:-1])) <= 100
    assert main(["bench", "audit", str(scores)]) == 0
    vectors = tmp_path / "vectors.parquet"
    assert main(["embed", str(run), str(store), "--out", str(vectors), "--stride", "1.28"]) == 0
    from_store = pd.read_parquet(vectors)
    words = ["embed", str(run), str(logs), "--out", str(vectors), "--stride", "1.28", *LOG_OPTIONS]
    assert main(words) == 0
    from_logs = pd.read_parquet(vectors)
    assert main(["embed", str(run), str(store), "--out", str(tmp_path / "vectors.csv")]) == 2
    assert "it must end in .parquet" in capsys.readouterr().err
    pd.testing.assert_frame_equal(from_store, from_logs, atol=1e-5)


def _two_views(tiny_store: Path, folder: Path) -> str:
    """A config with two views on the tiny store."""
    config = yaml.safe_load(Path("configs/ntxent.yaml").read_text())
    config["data"] = {"source": str(tiny_store), "test": ["04"]}
    config["views"] = config["views"][-2:]
    config["training"] = {"batch_size": 32, "windows_per_epoch": 64}
    path = folder / "two.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_views_are_ranked_and_kept(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["views", _two_views(tiny_store, tmp_path), "--advise", "--epochs", "1"]
    assert main([*words, "--out", str(tmp_path / "advice")]) == 0
    told = capsys.readouterr().out
    kept = json.loads((tmp_path / "advice" / "advice.json").read_text())
    names = [row["views"] for row in kept["ranking"]]
    assert sorted(names) == ["Jitter", "Rotate", "Rotate + Jitter", "no view"]
    ranks = [row["effective_rank"] for row in kept["ranking"]]
    assert ranks == sorted(ranks, reverse=True)
    assert f"start with {names[0]}" in kept["recommendation"]
    assert names[0] in told
    assert "one seed" in told

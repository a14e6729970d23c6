"""``tsclr presets``, ``pretrain`` and ``runs``: encoders from unlabelled recordings."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tsclr.cli.command import CHANGES, Given, command, same_again
from tsclr.cli.output import say, say_next, say_table

if TYPE_CHECKING:
    from tsclr.config.options import Option

CLASSES = ("encoder", "objective", "pairing")
"""Blocks whose settings are the arguments of a class."""


@command("presets", list, ("presets",))
def presets(_: Given) -> None:
    """List the presets of a pretraining."""
    from tsclr.config.presets import presets

    say("\n".join(f"{name:<22} {about}" for name, about in presets().items()))
    say_next("tsclr pretrain ntxent --data.source STORE --out runs/a")


def setting_options() -> "list[Option]":
    """Options that change a preset."""
    from tsclr.config.options import options_of
    from tsclr.config.pretraining import Pretraining
    from tsclr.data.settings import Data
    from tsclr.train.settings import Training

    return [
        *options_of(Pretraining, skip=("data", "training"), raw=True),
        *options_of(Data, "data.", raw=True),
        *options_of(Training, "training.", raw=True),
    ]


def _pretrain_options() -> "list[Option]":
    from tsclr.config.options import Option, options_of
    from tsclr.config.pretraining import NAMED, pretrain

    about = "Folder of a run to go on with; without a folder, the run in --out"
    return [
        *options_of(pretrain, skip=(*NAMED, "resume"), positional=("preset",)),
        Option("resume", bool | Path, about, False),
        Option("print_config", bool, "Print the YAML of all settings, and stop", False),
        *setting_options(),
    ]


def _resume(words: Sequence[str]) -> str:
    """How to go on with an interrupted pretraining: by its folder, once there is one."""
    from tsclr.config.options import parse_words
    from tsclr.train.runs import CONFIG

    given = parse_words(words[1:], _pretrain_options(), CLASSES)
    out = given.get("out")
    if out is None or not Path(out, CONFIG).exists():
        return same_again(words)
    return shlex.join(["tsclr", "pretrain", "--resume", out])


@command(
    "pretrain",
    _pretrain_options,
    (
        "pretrain ntxent --data.source store --out runs/a",
        "pretrain ntxent --objective MoCo --objective.queue 1024 --data.source hapt --out runs/b",
        "pretrain --resume runs/a --training.epochs 40",
    ),
    "out resume data.source data.test objective encoder pairing training.epochs "
    "training.batch_size print_config",
    open_blocks=CLASSES,
    again=_resume,
)
def pretrain(given: Given) -> None:
    """Learn an encoder from unlabelled recordings: a preset, and what is to differ.

    tsclr presets lists the presets; a YAML file such as the one --print_config prints works too.
    """
    from tsclr.config.pretraining import pretrain, starter

    if given["print_config"]:
        say(starter(given["preset"], given[CHANGES]))
        return
    arguments = {name: given[name] for name in ("preset", "out", "resume")}
    run = pretrain(**arguments, **given[CHANGES])
    say(f"run: {run}")
    say_next(f"tsclr probe {run}  (few-label scores), or tsclr runs {run.parent}")


def _runs_options() -> "list[Option]":
    from tsclr.config.options import REQUIRED, Option

    about = "A run folder, or a folder with runs in it"
    return [
        Option("folder", Path, about, REQUIRED, positional=True),
        Option("plot", Path | None, "Page with their curves to write"),
    ]


@command("runs", _runs_options, ("runs runs", "runs runs --plot runs.html"), "plot")
def runs(given: Given) -> None:
    """List and compare the runs in a folder.

    What is shown was measured on validation subjects, without labels.
    """
    from tsclr.explore.runs import compare, find_runs, write_comparison
    from tsclr.report.tables import about_runs

    found = find_runs(given["folder"])
    say_table(about_runs(compare(found)), "Last epoch of each run, on validation subjects.")
    if given["plot"]:
        say_next(f"open {write_comparison(found, given['plot'])}")
    else:
        say_next(f"tsclr runs {given['folder']} --plot runs.html")

"""``tsclr presets``, ``views``, ``pretrain`` and ``runs``: encoders from unlabelled recordings."""

import shlex
from pathlib import Path
from typing import Any

from tsclr.cli.command import CHANGES, Given, command
from tsclr.cli.data import ROOT
from tsclr.cli.output import say, say_next, say_table
from tsclr.config.options import REQUIRED, Option, options_of


@command("presets", list)
def presets(_: Given) -> None:
    """List the presets for pretraining.

    For example:
      tsclr presets
    """
    import pandas as pd

    from tsclr.config.presets import presets

    table = pd.DataFrame(presets().items(), columns=["preset", "for"])
    say_table(table, "Presets, by the name that tsclr pretrain takes.")
    say_next("tsclr", "pretrain", "ntxent", "--data.source", "STORE", "--out", "runs/a")


def setting_options() -> list[Option]:
    """Options that change a preset."""
    from tsclr.config.pretraining import Pretraining
    from tsclr.data.settings import Data
    from tsclr.train.settings import Training

    return [
        *options_of(Pretraining, skip=("data", "training"), raw=True),
        *options_of(Data, "data.", raw=True),
        *options_of(Training, "training.", raw=True),
    ]


def _views_options() -> list[Option]:
    from tsclr.explore.advise import EPOCHS

    out = "Page to write (default: gallery.html), or folder of --advise (default: advice)"
    advise = "Rank each view and each pair by short pretrainings, without labels (minutes)"
    return [
        Option("preset", str, "Preset or YAML file", "ntxent", positional=True),
        Option("dataset", str | None, "Dataset or folder of a store; data.source by default"),
        Option("root", str | None, ROOT),
        Option("out", Path | None, out),
        Option("windows", int, "Windows to show", 3),
        Option("seed", int, "Seed of the windows and the views", 0),
        Option("advise", bool, advise, False),
        Option("epochs", int, "Epochs of each run of --advise", EPOCHS),
        Option("seeds", int, "Runs for each candidate of --advise", 1),
        *setting_options(),
    ]


@command("views", _views_options, "dataset out windows seed advise epochs seeds data.test root")
def views(given: Given) -> None:
    """Show what the views of a preset do to windows, or rank them without labels.

    The page has every view on its own, and each pipeline as training sees it.

    For example:
      tsclr views ntxent --dataset store --out gallery.html
      tsclr views runs/a/config.yaml --windows 5
      tsclr views ntxent --dataset store --advise --out advice
    """
    from tsclr.config.changes import changed
    from tsclr.config.pretraining import read_config
    from tsclr.explore.gallery import gallery, on_dataset

    changes = given[CHANGES]
    if given["dataset"] is not None:
        changes = changed({"data": {"source": given["dataset"]}}, changes)
    pretraining = read_config(given["preset"], changes)
    data = on_dataset(pretraining.data, given["dataset"], given["root"])
    if given["advise"]:
        _advise(given, vars(pretraining) | {"data": data})
        return
    out = given["out"] or Path("gallery.html")
    page = gallery(data, pretraining.views, out, n_windows=given["windows"], seed=given["seed"])
    say_next("open", page)


def _advise(given: Given, pretraining: dict[str, Any]) -> None:
    """Rank the views of a pipeline, and keep the ranking next to the runs."""
    import json

    from tsclr.explore.advise import advise
    from tsclr.files import replacing
    from tsclr.report.tables import about_views

    out = given["out"] or Path("advice")
    advice = advise(**pretraining, out=out, epochs=given["epochs"], seeds=given["seeds"])
    kept = {"ranking": advice.table.to_dict("records"), "recommendation": advice.recommendation}
    with replacing(out / "advice.json") as temporary:
        temporary.write_text(json.dumps(kept, indent=2))
    say_table(
        about_views(advice.table),
        f"Effective rank of features on validation subjects after {given['epochs']} epochs.",
    )
    say(f"ranking: {out / 'advice.json'}")
    say(f"next: {advice.recommendation}")


def _pretrain_options() -> list[Option]:
    from tsclr.config.pretraining import NAMED, pretrain

    about = "Folder of a run to go on with; without a folder, the run in --out"
    return [
        *options_of(pretrain, skip=(*NAMED, "resume"), positional=("preset",)),
        Option("resume", bool | Path, about, False),
        Option("print_config", bool, "Print the YAML of all settings, and stop", False),
        *setting_options(),
    ]


@command(
    "pretrain",
    _pretrain_options,
    "out resume data.source data.test objective encoder pairing training.epochs "
    "training.batch_size print_config",
)
def pretrain(given: Given) -> None:
    """Learn an encoder from unlabelled recordings: a preset, and what you change.

    The preset is one of tsclr presets, or a YAML file such as --print-config prints.

    For example:
      tsclr pretrain ntxent --data.source store --out runs/a
      tsclr pretrain ntxent --objective MoCo --objective.queue 1024 --data.source hapt --out runs/b
      tsclr pretrain --resume runs/a --training.epochs 40
    """
    import json

    from tsclr.config.pretraining import pretrain, read_config, starter
    from tsclr.train.runs import CONFIG, MACHINE

    if given["print_config"]:
        say(starter(given["preset"], given[CHANGES]))
        return
    arguments = {name: given[name] for name in ("preset", "out", "resume")}
    try:
        run = pretrain(**arguments, **given[CHANGES])
    except KeyboardInterrupt:
        if given["out"] and Path(given["out"], CONFIG).exists():
            again = shlex.join(["tsclr", "pretrain", "--resume", str(given["out"])])
            raise KeyboardInterrupt(again) from None
        raise
    say(f"run: {run}")
    facts = json.loads((run / MACHINE).read_text())
    if facts["split"]["test"]:
        say_next("tsclr", "probe", run, note="scores with few labels")
    else:  # everybody was trained on, so there is nobody to test on
        source = read_config(run / CONFIG).data.name
        say_next("tsclr", "embed", run, source, "--out", "vectors.parquet")


@command(
    "runs",
    lambda: [
        Option(
            "folder", Path, "A run folder, or a folder with runs in it", REQUIRED, positional=True
        ),
        Option("plot", Path | None, "HTML page of their curves to write"),
    ],
    "plot",
)
def runs(given: Given) -> None:
    """List and compare the runs in a folder.

    What is shown was measured on validation subjects, without labels.

    For example:
      tsclr runs runs
      tsclr runs runs --plot runs.html
    """
    from tsclr.explore.runs import compare, find_runs, write_comparison
    from tsclr.report.tables import about_runs

    found = find_runs(given["folder"])
    say_table(about_runs(compare(found)), "Last epoch of each run, on validation subjects.")
    if given["plot"]:
        say_next("open", write_comparison(found, given["plot"]))
    else:
        say_next("tsclr", "runs", given["folder"], "--plot", "runs.html")

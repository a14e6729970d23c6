"""Data and a pipeline of views in, a page that shows windows and their views out."""

import copy
import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from tsclr import report
from tsclr.augment import Augmentation
from tsclr.data.identity import canonical_source
from tsclr.data.settings import Data
from tsclr.data.windows import Windows
from tsclr.explore.describe import call_of, caption, views_inside
from tsclr.report.gallery import Example, view_gallery
from tsclr.train.batches import pipelines
from tsclr.train.runs import environment_text
from tsclr.types import UNLABELLED

N_CANDIDATES = 512
"""Windows from which examples are chosen."""
POOL = 8
"""Candidates for each example if there are no labels."""
N_BATCH = 8
"""Least windows in a batch, because some views mix them."""


def gallery(
    data: Data,
    views: list[Augmentation] | dict[str, list[Augmentation]],
    out: Path,
    n_windows: int = 3,
    seed: int = 0,
) -> Path:
    """Write a page that shows every view on its own and each pipeline as training applies it.

    The `n_windows` examples come from the training subjects; `seed` is that of the examples and of
    the views.

    Raises
    ------
    ValueError
        If `out` is no HTML file, `n_windows` is below 1, or a view cannot take the windows.
    """
    if out.suffix not in (".html", ".htm"):
        raise ValueError(
            f"out is {out}, expected an HTML file such as gallery.html: pass it with --out"
        )
    if n_windows < 1:
        raise ValueError(f"windows is {n_windows}, allowed is 1 or more")
    store, split = data.open()
    windows = data.windows(store, split.train)
    examples, companions = choose(windows, n_windows, seed)
    names = _names(windows, examples)
    x = windows.take(np.append(examples, companions))
    sections = []
    for title, view, reading in _pages(views, store.channels):
        plotted = examples_of(view, x, names, seed)
        sections.append(view_gallery(title, reading, plotted, store.channels, store.sample_rate))
    report.write_report(
        out,
        "Views",
        f"Windows of {data.window:g} s and random views of them, as in pretraining.",
        sections,
        _facts(data, split.train, seed),
    )
    return out


def on_dataset(data: Data, dataset: str | None, root: str | None) -> Data:
    """The settings for another dataset, with the test subjects of that one.

    Examples
    --------
    >>> on_dataset(Data("store", test=["7"]), "hapt", None)
    Data(source='hapt', root=None, window=2.56, stride=1.28, test=None, validation=0.2, ...)
    """
    if dataset is not None and canonical_source(dataset) != canonical_source(data.name):
        data = replace(data, source=dataset, test=None)
    return data if root is None else replace(data, root=root)


def choose(
    windows: Windows, n: int, seed: int
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """Indices of up to `n` different examples, and of other windows to fill their batch with.

    If there are labels, the examples are of different classes as far as there are enough classes.
    They go from large to small mean standard deviation, evenly among the candidates.
    """
    candidates = np.random.default_rng(seed).permutation(len(windows))[:N_CANDIDATES]
    classes = windows.stream_labels(candidates)
    spread = windows.take(candidates).std(dim=2).mean(dim=1).numpy()
    table = pd.DataFrame({"window": candidates, "label": classes, "spread": spread})
    pool = table[table["label"] != UNLABELLED]
    if pool.empty:
        pool = table.head(POOL * n)
    else:  # first one window of each class, then a second one of each, and so on
        rank = pool.groupby("label").cumcount().to_numpy()
        pool = pool.iloc[np.argsort(rank, kind="stable")[: max(n, (rank == 0).sum())]]
    pool = pool.sort_values(by="spread", ascending=False, kind="stable")["window"].to_numpy()
    ranks = np.linspace(0, len(pool) - 1, min(n, len(pool))).round().astype(int)
    examples = pool[ranks]
    others = candidates[~np.isin(candidates, examples)]
    return examples, others[: max(0, N_BATCH - len(examples))]


def examples_of(
    view: Augmentation, x: Float[torch.Tensor, "B C T"], names: list[str], seed: int
) -> list[Example]:
    """The first windows of a batch, called `names`, with their views and captions.

    The windows without a name are partners of views that mix windows.
    """
    gated = view.draw_gated(x, torch.Generator().manual_seed(seed))
    views = view.transform_gated(x, gated)
    examples = []
    for index, name in enumerate(names):
        lines = caption(view, gated, index)
        notes = [f"{name}: {lines[0]}"] if len(lines) == 1 else [name, *lines]
        examples.append(Example(notes, x[index].numpy(), views[index].numpy()))
    return examples


def always(view: Augmentation) -> Augmentation:
    """A copy of a view that changes every window, as does every view inside it."""
    copied = copy.deepcopy(view)
    for module in copied.modules():
        if isinstance(module, Augmentation):
            module.p = 1.0
    return copied


def _pages(
    views: list[Augmentation] | dict[str, list[Augmentation]], channels: tuple[str, ...]
) -> list[tuple[str, Augmentation, str]]:
    """Title, view and text of every section: the views of a pipeline, then the pipeline."""
    names = [f"{name}: " for name in views] if isinstance(views, dict) else [""]
    pages: list[tuple[str, Augmentation, str]] = []
    for prefix, pipeline in zip(names, pipelines(views, channels), strict=False):
        pages += [
            (prefix + type(view).__name__, always(view), _about(view)) for view in _inside(pipeline)
        ]
        reading = (
            "The pipeline as training applies it: one view after another, each with its own "
            "probability. " + " → ".join(call_of(inner) for inner in views_inside(pipeline))
        )
        pages.append((f"{prefix}whole pipeline" if prefix else "Whole pipeline", pipeline, reading))
    return pages


def _inside(view: Augmentation) -> list[Augmentation]:
    """Every view inside, a composition before its views."""
    views: list[Augmentation] = []
    for inner in views_inside(view):
        views += [inner, *_inside(inner)]
    return views


def _about(view: Augmentation) -> str:
    """First paragraph of the documentation, the settings, and how often training applies it."""
    purpose = " ".join((inspect.getdoc(type(view)) or "").partition("\n\n")[0].split())
    often = "" if view.p == 1 else f" In training it changes {view.p:.0%} of the windows."
    call = call_of(view)
    return f"{purpose.replace('`', '')} {call}. Here it changes every window.{often}".strip()


def _names(windows: Windows, indices: Int[np.ndarray, " n"]) -> list[str]:
    """Class and subject of windows."""
    table = windows.store.recordings.iloc[windows.rows(indices)]
    names = []
    for label, subject in zip(windows.stream_labels(indices), table["subject"], strict=True):
        prefix = "" if label == UNLABELLED else f"{windows.store.classes[label]}, "
        names.append(f"{prefix}subject {subject}")
    return names


def _facts(data: Data, subjects: tuple[str, ...], seed: int) -> dict[str, str]:
    """Data, subjects, seed and versions."""
    facts = {"data": data.name, "training subjects": ", ".join(subjects), "seed": str(seed)}
    return facts | environment_text()

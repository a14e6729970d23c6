"""``python -m benchmarks.views_page``: write ``docs/views.md`` and its pictures from the views."""

import copy
import inspect
import itertools
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from benchmarks.svg import standalone
from tsclr import augment, specs
from tsclr.augment import Augmentation, Crop, Jitter, Rotate, Scale
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.datasets import Synthetic
from tsclr.explore.gallery import examples_of
from tsclr.report.gallery import Example, gallery_figure
from tsclr.report.look import THEME

PAGE = Path(__file__).parent.parent / "docs" / "views.md"
PICTURES = PAGE.parent / "views"
N_DRAWS = 16
HEAD = f"""\
# Views

A view is a randomly changed copy of a window that still shows the same activity. Every class below
is in `tsclr.augment`; it takes a batch (B, C, T) on any device and returns a batch of the same
shape. `p` is the probability that a window is changed. A list of these classes is a pipeline.

Each picture shows a simulated window, acc above gyr, a view of it with the settings above the
picture, and the spectra of both, the norm over x, y and z. The caption lists the random values of
the view. Of {N_DRAWS} random views the picture shows the one that differs most from the window. The
window shows walking, or running for views that leave walking unchanged. `tsclr views CONFIG` makes
such a page for your own views and windows.

This page is written by `python -m benchmarks.views_page`.
"""
EXAMPLES: dict[str, Any] = {
    "augmentations": [Crop(), Scale(), Rotate(), Jitter()],
    "augmenter": {"name": "AddNoise", "scale": 0.1},
}
"""Values for arguments whose default does nothing."""


def classes() -> dict[str, type[Augmentation]]:
    """Every view of the package, by name, in the order of the modules."""
    by_name = specs.subclasses(Augmentation).items()
    return {name: cls for name, cls in by_name if cls.__module__.startswith(f"{augment.__name__}.")}


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for module, group in itertools.groupby(classes().values(), key=lambda cls: cls.__module__):
        theme = (inspect.getdoc(sys.modules[module]) or "").partition("\n\n")[0]
        parts.append(f"## {heading(module)}\n\n{marked(theme)}\n")
        parts += [entry(cls) for cls in group]
    return "\n".join(parts)


def heading(module: str) -> str:
    """The name of a module as a heading."""
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def entry(cls: type[Augmentation]) -> str:
    """Purpose, signature and picture of a class."""
    name = cls.__name__
    return (
        f"### {name}\n\n{marked(sentence(cls))}\n\n```python\n{signature(cls)}\n```\n\n"
        f"![{name}: a window, a view of it, and their spectra](views/{name}.svg)\n"
    )


def sentence(cls: type) -> str:
    """First sentence of the documentation."""
    text = " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", text)[0]


def marked(text: str) -> str:
    """Text with code in backticks of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def signature(cls: type[Augmentation]) -> str:
    """The constructor with its defaults."""
    arguments = []
    for parameter in inspect.signature(cls).parameters.values():
        default = parameter.default
        if default is inspect.Parameter.empty:
            arguments.append(parameter.name)
        else:
            text = "math.pi" if default == math.pi else repr(default).replace("'", '"')
            arguments.append(f"{parameter.name}={text}")
    return f"{cls.__name__}({', '.join(arguments)})"


def example_of(cls: type[Augmentation]) -> Augmentation:
    """An object of the class with its defaults, or with `EXAMPLES` where these do nothing."""
    parameters = inspect.signature(cls).parameters
    return cls(**{name: copy.deepcopy(EXAMPLES[name]) for name in parameters if name in EXAMPLES})


def windows_by_class() -> dict[str, Float[torch.Tensor, "C T"]]:
    """One simulated window of each activity."""
    store = Store.build(Synthetic(n_subjects=2, minutes=10).recordings())
    windows = Windows.labelled(store, 128, 64)
    return {
        name: windows[int(np.flatnonzero(windows.labels == label)[0]) + 2]
        for label, name in enumerate(store.classes)
        if (windows.labels == label).any()
    }


def most_changed(view: Augmentation, windows: dict[str, Float[torch.Tensor, "C T"]]) -> Example:
    """A window of walking, or running, and that of several views which differs most from it."""
    best, most = None, -1.0
    for name in ("walking", "running"):
        others = [window for other, window in windows.items() if other != name]
        x = torch.stack([windows[name], *others])
        for seed in range(N_DRAWS):
            (example,) = examples_of(view, x, [name], seed)
            change = float(np.square(example.view - example.window).mean())
            if change > most:
                best, most = example, change
        if best is not None and most > 0:
            return best
    raise ValueError(f"{type(view).__name__} changes no window")


def picture(example: Example, name: str) -> str:
    """The SVG file of an example."""
    figure = gallery_figure([example], Synthetic.channels, Synthetic.sample_rate)
    colours = {colour: light for colour, (light, _) in THEME.items()}
    return standalone(figure, name, " ".join(example.notes), colours, colours["paper"])


def main() -> None:
    """Write the page and a picture for each class."""
    PICTURES.mkdir(exist_ok=True)
    windows = windows_by_class()
    for name, cls in classes().items():
        view = example_of(cls).for_channels(Synthetic.channels)
        (PICTURES / f"{name}.svg").write_text(picture(most_changed(view, windows), name))
    for old in PICTURES.glob("*.svg"):
        if old.stem not in classes():
            old.unlink()
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name}: {len(classes())} views\n")


if __name__ == "__main__":
    main()

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

from tsclr import augment, specs
from tsclr.augment import Augmentation, Crop, Jitter, Rotate, Scale
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.datasets import Synthetic
from tsclr.explore.gallery import draw_examples
from tsclr.report.gallery import Example, gallery_figure
from tsclr.report.look import THEME, to_svg

PAGE = Path(__file__).parent.parent / "docs" / "views.md"
PICTURES = PAGE.parent / "views"
N_DRAWS = 16
HEAD = f"""\
# Views

A view is a random change of a window that leaves alone what the window shows. Every class below
is in `tsclr.augment`, takes a batch (B, C, T) on any device and gives a batch of the same shape.
`p` is the probability that a window is changed. A list of views is a pipeline.

A picture shows a simulated window, acc over gyr, a view of it with the settings above the picture,
and the spectra of both, the norm over x, y and z. What was drawn stands over it; of {N_DRAWS} draws
it is the one that changed the window most. The window is of walking, or of running where a view
leaves walking as it is. `tsclr views CONFIG` draws your own views on your own windows.

This page is written by `python -m benchmarks.views_page`.
"""
EXAMPLES: dict[str, Any] = {
    "augmentations": [Crop(), Scale(), Rotate(), Jitter()],
    "augmenter": {"name": "AddNoise", "scale": 0.1},
}
"""What is passed for an argument of that name, because its default does nothing."""


def classes() -> dict[str, type[Augmentation]]:
    """Every view of the package, by name, in the order of the modules."""
    known = specs.subclasses(Augmentation).items()
    return {name: cls for name, cls in known if cls.__module__.startswith(f"{augment.__name__}.")}


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for module, group in itertools.groupby(classes().values(), key=lambda cls: cls.__module__):
        theme = (inspect.getdoc(sys.modules[module]) or "").partition("\n\n")[0]
        parts.append(f"## {heading(module)}\n\n{marked(theme)}\n")
        parts += [entry(cls) for cls in group]
    return "\n".join(parts)


def heading(module: str) -> str:
    """Name of a module as a title."""
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def entry(cls: type[Augmentation]) -> str:
    """What a class is for, how it is called, and its picture."""
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
    """Code in the marks of Markdown."""
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
    """An object of the class with its defaults, or with something that shows what it does."""
    wanted = inspect.signature(cls).parameters
    return cls(**{name: copy.deepcopy(EXAMPLES[name]) for name in wanted if name in EXAMPLES})


def windows_by_class() -> dict[str, Float[torch.Tensor, "C T"]]:
    """One simulated window of each activity."""
    store = Store.build(Synthetic(n_subjects=2, minutes=10).recordings())
    windows = Windows.labelled(store, 128, 64)
    return {
        name: windows[int(np.flatnonzero(windows.labels == place)[0]) + 2]
        for place, name in enumerate(store.classes)
        if (windows.labels == place).any()
    }


def most_changed(view: Augmentation, windows: dict[str, Float[torch.Tensor, "C T"]]) -> Example:
    """A window of walking and the view of it that differs most, among some draws."""
    best, most = None, -1.0
    for name in ("walking", "running"):
        others = [window for other, window in windows.items() if other != name]
        x = torch.stack([windows[name], *others])
        for seed in range(N_DRAWS):
            (example,) = draw_examples(view, x, [name], seed)
            change = float(np.square(example.view - example.window).mean())
            if change > most:
                best, most = example, change
        if best is not None and most > 0:
            return best
    raise ValueError(f"{type(view).__name__} changes no window")


def picture(example: Example, name: str) -> str:
    """An SVG file that asks for nothing from outside."""
    svg = to_svg(
        gallery_figure([example], Synthetic.channels, Synthetic.sample_rate),
        name,
        name,
        " ".join(example.notes),
    )
    for colour, (light, _) in THEME.items():
        svg = svg.replace(f"var(--{colour})", light)
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    size = f'width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" '
    paper = f'</desc><rect {size} fill="{THEME["paper"][0]}"/>'
    return smaller(svg.replace("<svg ", head, 1).replace("</desc>", paper, 1))


def smaller(svg: str) -> str:
    """The same picture: places to a tenth of a point, no space that says nothing."""
    for attribute in ("d", "x", "y", "transform"):
        svg = re.sub(rf'(?<= {attribute}=")[^"]+', lambda found: places(found[0]), svg)
    return re.sub(r">\s+<", ">\n<", svg)


def places(text: str) -> str:
    """Coordinates to a tenth of a point."""
    text = re.sub(r"(\.\d)\d+", r"\1", text)
    return re.sub(r" +([LMCz]) ", r"\1", text)


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

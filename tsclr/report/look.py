"""The style of all figures, and matplotlib figures as inline SVG.

Figures use a few named colours. In the SVG these become CSS variables of the page, so the same
figure is readable on white, on black and on paper. Text stays text: it can be searched, copied and
read aloud.
"""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

THEME = {
    "paper": ("#ffffff", "#14191f"),
    "ink": ("#1a232b", "#e6ebf0"),
    "soft": ("#5a6772", "#9ba8b4"),
    "rule": ("#dde3e8", "#303a44"),
    "accent": ("#0b5fa5", "#6db3f2"),
    "baseline": ("#7b8792", "#8996a3"),
}
"""Colours by name, for a light and for a dark page."""

PAPER, INK, SOFT, RULE, ACCENT, BASELINE = (light for light, _ in THEME.values())

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8a8f98", "#7b4fb0")
"""Categories, after Okabe and Ito (2008): colour-blind readers can tell them apart."""

WIDTH = 9.6
"""Width of every figure in inches; the page scales it to its text width."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tsclr",
    "text.parse_math": False,  # a name may hold a dollar sign
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": RULE,
    "xtick.major.size": 0,
    "xtick.major.pad": 6,
    "xtick.labelcolor": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.color": RULE,
    "ytick.labelcolor": SOFT,
    "ytick.labelsize": 8.5,
    "ytick.left": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handletextpad": 0.4,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.hspace": 0.09,
    "figure.constrained_layout.wspace": 0.05,
}
"""Settings of matplotlib for every figure."""


def short(name: object, limit: int = 26) -> str:
    """Printable characters of a name, without its middle where it has more than `limit`.

    Both ends stay, because names in a figure often differ in a prefix or in a number at the end.

    Examples
    --------
    >>> short("climbing_the_stairs_8", limit=16)
    'climbing…tairs_8'
    """
    text = "".join(letter for letter in str(name) if letter.isprintable())
    half = (limit - 1) // 2
    return text if len(text) <= limit else f"{text[: limit - 1 - half]}…{text[-half:]}"


def to_svg(figure: Figure, prefix: str, title: str, description: str) -> str:
    """`figure` as an ``<svg>`` element for a page: without links, in the colours of the page.

    Examples
    --------
    >>> to_svg(Figure(figsize=(2, 1)), "f1", "Empty", "Nothing is drawn.")[:39]
    '<svg viewBox="0 0 144 72" role="img" ar'
    """
    root = ET.fromstring(_svg_text(figure))  # noqa: S314 (matplotlib wrote it a line ago)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("metadata", "style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        element.attrib = {name: _local(name, value, prefix) for name, value in attributes.items()}
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{prefix}-title {prefix}-description",
    }
    for index, (tag, text) in enumerate([("title", title), ("desc", description)]):
        label = ET.Element(tag, {"id": f"{prefix}-{'description' if index else 'title'}"})
        label.text = text
        root.insert(index, label)
    return ET.tostring(root, encoding="unicode")


def _svg_text(figure: Figure) -> bytes:
    """SVG as matplotlib writes it, without a date; browsers have the letters that DejaVu lacks."""
    buffer = io.BytesIO()
    with rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="svg", dpi=160, metadata={"Date": None})
    return buffer.getvalue()


def _local(name: str, value: str, prefix: str) -> str:
    """An attribute with `prefix` before ids and with theme colours as CSS variables."""
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{prefix}-{value[1:]}"
    value = value.replace("url(#", f"url(#{prefix}-")
    if name == "style":
        value = re.sub("#[0-9a-f]{6}", lambda colour: _VARIABLES.get(colour[0], colour[0]), value)
        value = re.sub("font-family: [^;]*;?", "", value)
        value = re.sub(r"(font:[^;]*px) [^;]*", r"\1 sans-serif", value)
    return value


_VARIABLES = {light: f"var(--{name})" for name, (light, _) in THEME.items()}

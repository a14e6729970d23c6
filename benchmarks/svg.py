"""Figures as SVG files that stand on their own: small, with their own size, without links."""

import re
from collections.abc import Mapping

from matplotlib.figure import Figure

from tsclr.report.look import to_svg


def standalone(
    figure: Figure, title: str, description: str, colours: Mapping[str, str], paper: str = ""
) -> str:
    """A figure as the text of an SVG file.

    `colours` has a colour for every name in `tsclr.report.look.THEME`, and `paper` is the colour
    of the background, which is transparent without one.
    """
    svg = to_svg(figure, title.split()[0], title, description)
    for name, colour in colours.items():
        svg = svg.replace(f"var(--{name})", colour)
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    size = f'width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" '
    svg = svg.replace("<svg ", head, 1)
    if paper:
        svg = svg.replace("</desc>", f'</desc><rect {size} fill="{paper}"/>', 1)
    return smaller(svg)


def smaller(svg: str) -> str:
    """The same picture with coordinates to a tenth of a point and without needless spaces."""
    for attribute in ("d", "x", "y", "transform"):
        svg = re.sub(rf'(?<= {attribute}=")[^"]+', lambda value: rounded(value[0]), svg)
    return re.sub(r">\s+<", ">\n<", svg)


def rounded(coordinates: str) -> str:
    """Coordinates cut to a tenth of a point."""
    return re.sub(r" +([LMCz]) ", r"\1", re.sub(r"(\.\d)\d+", r"\1", coordinates))

"""Presets: the pretraining configs that ship with tsclr, by name."""

from itertools import takewhile
from pathlib import Path

import tsclr
from tsclr.specs import nearest

SUFFIXES = (".yaml", ".yml")


def folder() -> Path:
    """Folder of the presets: inside an installed package, at the top of a checkout."""
    package = Path(tsclr.__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def presets() -> dict[str, str]:
    """What each preset is for, by name in alphabetical order.

    Examples
    --------
    >>> presets()["ntxent"]
    'SimCLR on neighbours in time: the one to start with.'
    """
    return {file.stem: about(file) for file in sorted(folder().glob("*.yaml"))}


def about(file: Path) -> str:
    """The comment at the top of a config, in one line."""
    lines = takewhile(lambda line: line.startswith("#"), file.read_text("utf-8").splitlines())
    return " ".join(line.lstrip("# ").strip() for line in lines)


def config_file(name: str | Path) -> Path:
    """File of a preset, or of a config that is named by its path.

    Examples
    --------
    >>> config_file("ntxnet")
    Traceback (most recent call last):
    FileNotFoundError: no preset 'ntxnet': did you mean ntxent? Allowed: ...
    """
    if Path(name).is_file():
        return Path(name)
    if Path(name).suffix in SUFFIXES:
        raise FileNotFoundError(
            f"no config {name}: name a YAML file, or a preset of `tsclr presets`"
        )
    file = folder() / f"{name}.yaml"
    if not file.is_file():
        hint = nearest(str(name), presets())
        raise FileNotFoundError(f"no preset {str(name)!r}: {hint}, or a file that ends in .yaml")
    return file

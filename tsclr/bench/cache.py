"""Results that are computed once: files whose names hash all that the content depends on.

The code counts as far as a result can depend on it: what the modules and classes that compute it
import, directly or not. So an edit of a reader or of another objective leaves a result as it is.
"""

import inspect
import json
import logging
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import tsclr
from tsclr.bench.imports import ImportGraph
from tsclr.files import digest, replacing, sha256

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")
UNHASHED = {"torch", *sys.stdlib_module_names}
"""Installed modules whose files are not hashed: their version counts, or that of Python."""

log = logging.getLogger(__name__)


@cache
def import_graph() -> ImportGraph:
    """The imports of this package."""
    return ImportGraph(Path(tsclr.__file__).parent)


@cache
def versions() -> list[str]:
    """Versions of `PACKAGES`."""
    return [metadata.version(name) for name in PACKAGES]


def source_digest(*code: str | type) -> str:
    """Hash of all code that modules and classes may run, and of the versions of `PACKAGES`.

    That is the source of the modules, of those that define the classes and their bases, and of all
    that these import: of this package, and of the user's own. Of an installed package, only the
    files that define the classes count.

    Examples
    --------
    >>> from tsclr.augment import Jitter, Scale
    >>> source_digest("tsclr.augment.base") == source_digest(Jitter)
    False
    >>> source_digest(Jitter) == source_digest(Scale)  # both are in tsclr.augment.amplitude
    True
    """
    kinds = [kind for kind in code if isinstance(kind, type)]
    modules = {base.__module__ for kind in kinds for base in kind.__mro__}
    modules |= {name for name in code if isinstance(name, str)}
    graph = import_graph()
    installed = {
        module: sha256(Path(inspect.getfile(import_module(module))))
        for module in sorted(modules)
        if module.partition(".")[0] not in UNHASHED and graph.file(module) is None
    }
    return digest(graph.digest(modules), installed, versions())


def classes_named(config: Any) -> list[str | type]:
    """What `source_digest` takes for the classes that a config names, at any depth.

    Raises
    ------
    ValueError
        If there is no class of a name.

    Examples
    --------
    >>> classes_named({"views": [{"class": "Jitter"}], "encoder": {"class": "collections.Counter"}})
    ['tsclr.augment.amplitude', <class 'collections.Counter'>]
    """
    if isinstance(config, list):
        return [kind for value in config for kind in classes_named(value)]
    if not isinstance(config, dict):
        return []
    inner = classes_named(list(config.values()))
    return [*_named(config["class"]), *inner] if "class" in config else inner


def _named(name: str) -> Sequence[str | type]:
    """The class of a full name, or the modules of this package that define a class of that name."""
    module, _, attribute = name.rpartition(".")
    if module:
        return [getattr(import_module(module), attribute)]
    if modules := import_graph().defining(name):
        return modules
    # A config names classes by their module, except for those of the script that is run.
    kind = vars(sys.modules["__main__"]).get(name)
    if kind is None:
        raise ValueError(f"no class {name!r}: name it by its module, as in mine.{name}")
    return [kind]


def cached(path: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The content of a JSON file named by all that it depends on, computed if it is missing."""
    content = read(path)
    if content is None:
        content = compute()
        with replacing(path) as temporary:
            # The name is part of the hash, so that a file that was copied to another name is found.
            entry = {"content": content, "sha256": digest(path.stem, content)}
            temporary.write_text(json.dumps(entry))
    return content


def read(path: Path) -> dict[str, Any] | None:
    """Content of a file that `cached` wrote; None if it is missing or, with a warning, damaged."""
    try:
        entry = json.loads(path.read_bytes())
        if entry["sha256"] == digest(path.stem, entry["content"]):
            return entry["content"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    log.warning("%s is damaged: computing it again", path)
    return None

"""What a result depends on in, the result out, computed once: files named by hashes."""

import hashlib
import inspect
import json
import logging
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import tsclr
from tsclr.files import replacing, sha256

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")
UNSCORED = ("cli", "report", "explore", "demo.py")
"""Parts of the package on which no score depends."""
BUILT_IN = (*sys.builtin_module_names, "abc", "typing")

log = logging.getLogger(__name__)


def digest(*parts: Any) -> str:
    """Hash of whatever JSON can hold.

    Parameters
    ----------
    *parts
        In the order that counts; keys of a dict are sorted.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@cache
def source_digest() -> str:
    """Hash of the source of this package and of the versions below it, but for `APART`.

    A result of other code is another result, so a suite is scored anew after an update.
    """
    folder = Path(tsclr.__file__).parent
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        place = file.relative_to(folder)
        if place.parts[0] not in UNSCORED:
            found.update(f"{place}\n".encode() + file.read_bytes())
    versions = [metadata.version(name) for name in PACKAGES]
    return digest(found.hexdigest(), versions)


def source_hashes(kind: type) -> dict[str, str]:
    """SHA-256 of the files in which a class and its bases stand, by their module.

    Those of this package, whose `code` counts as a whole, and of torch, whose version does, are
    left out.

    Parameters
    ----------
    kind : type
        Of whoever adds to the package.

    Examples
    --------
    >>> source_hashes(object), list(source_hashes(metadata.Distribution))
    ({}, ['importlib.metadata'])
    """
    modules = sorted({each.__module__ for each in kind.__mro__})
    return {
        module: sha256(Path(inspect.getfile(import_module(module))))
        for module in modules
        if module.partition(".")[0] not in ("tsclr", "torch", *BUILT_IN)
    }


def sources_named(said: Any) -> dict[str, str]:
    """The same of all classes that a config names.

    Parameters
    ----------
    said : Any
        What JSON can hold; a class is under ``class``, one of a user's own by its full name.

    Examples
    --------
    >>> list(sources_named({"encoder": {"class": "collections.Counter"}}))
    ['collections']
    """
    if isinstance(said, list):
        return {module: found for each in said for module, found in sources_named(each).items()}
    if not isinstance(said, dict):
        return {}
    inner = sources_named(list(said.values()))
    module, dot, name = str(said.get("class", "")).rpartition(".")
    if not dot:  # a class of this package, whose source counts as a whole
        return inner
    return source_hashes(getattr(import_module(module), name)) | inner


def cached(path: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file keeps, or what is computed now and kept there.

    Parameters
    ----------
    path : Path
        JSON file whose name says all that its content depends on.
    compute : callable
        Gives what JSON can hold.
    """
    found = read(path)
    if found is None:
        found = compute()
        with replacing(path) as temporary:
            told = {"content": found, "sha256": digest(path.stem, found)}
            temporary.write_text(json.dumps(told))
    return found


def read(path: Path) -> dict[str, Any] | None:
    """Content of a file that `kept` wrote; None where it is missing or, which is told, damaged.

    Parameters
    ----------
    path : Path
        JSON file.
    """
    try:
        whole = json.loads(path.read_bytes())
        if whole["sha256"] == digest(path.stem, whole["content"]):
            return whole["content"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    log.warning("%s is damaged: computed anew", path)
    return None

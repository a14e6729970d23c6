"""Results that are computed once: files whose names hash all that the content depends on."""

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
from tsclr.files import digest, replacing, sha256

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")
UNSCORED = ("cli", "report", "explore", "demo.py")
"""Modules of the package on which no score depends."""
BUILT_IN = (*sys.builtin_module_names, "abc", "typing")

log = logging.getLogger(__name__)


@cache
def source_digest() -> str:
    """Hash of the source of this package, without `UNSCORED`, and of the versions of `PACKAGES`.

    A result of other code is another result, so a suite is scored anew after an update.
    """
    folder = Path(tsclr.__file__).parent
    source = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        path = file.relative_to(folder)
        if path.parts[0] not in UNSCORED:
            # With its path, since a module that moves may be imported in place of another.
            source.update(f"{path}\n".encode() + file.read_bytes())
    versions = [metadata.version(name) for name in PACKAGES]
    return digest(source.hexdigest(), versions)


def source_hashes(kind: type) -> dict[str, str]:
    """SHA-256 of the files that define a class and its bases, by module.

    Modules of this package are in `source_digest` and those of torch count by their version, so
    only a user's own classes have an entry.

    Examples
    --------
    >>> source_hashes(object), list(source_hashes(metadata.Distribution))
    ({}, ['importlib.metadata'])
    """
    modules = sorted({base.__module__ for base in kind.__mro__})
    return {
        module: sha256(Path(inspect.getfile(import_module(module))))
        for module in modules
        if module.partition(".")[0] not in ("tsclr", "torch", *BUILT_IN)
    }


def sources_named(config: Any) -> dict[str, str]:
    """`source_hashes` of every class that a config names by its full name, at any depth.

    Examples
    --------
    >>> list(sources_named({"encoder": {"class": "collections.Counter"}}))
    ['collections']
    """
    if isinstance(config, list):
        return {module: sha for value in config for module, sha in sources_named(value).items()}
    if not isinstance(config, dict):
        return {}
    inner = sources_named(list(config.values()))
    module, dot, name = str(config.get("class", "")).rpartition(".")
    if not dot:  # a class of this package, whose source counts as a whole
        return inner
    return source_hashes(getattr(import_module(module), name)) | inner


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

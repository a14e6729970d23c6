"""Two trees of settings in, what differs between them out, by dotted path."""

import json
from collections.abc import Iterator
from typing import Any

from tsclr.specs.describe import comma_list


def differences(owner: str, saved: Any, requested: Any, path: str = "") -> Iterator[str]:
    """Settings that differ, each with its path and both values; also the order of a mapping.

    Examples
    --------
    >>> saved = {"views": [{"class": "Jitter", "sd": 0.1}], "test": None}
    >>> requested = {"views": [{"class": "Jitter", "sd": 0.2}], "test": ["07"]}
    >>> list(differences("the run", saved, requested))
    ['views[0].sd: the run has 0.1, now requested is 0.2',
     'test: the run has nothing, now requested is 07']
    """
    if isinstance(saved, dict) and isinstance(requested, dict):
        # The order of named pipelines says which of them is the first view.
        if saved.keys() == requested.keys() and list(saved) != list(requested):
            yield f"order of {path}: {', '.join(saved)} in {owner}, now {', '.join(requested)}"
        for key in saved | requested:
            inside = f"{path}.{key}" if path else key
            yield from differences(owner, saved.get(key), requested.get(key), inside)
    elif _are_specs(saved, requested):
        for number, (old, new) in enumerate(zip(saved, requested, strict=True)):
            yield from differences(owner, old, new, f"{path}[{number}]")
    elif saved != requested:
        yield f"{path}: {owner} has {_text(saved)}, now requested is {_text(requested)}"


def _are_specs(saved: Any, requested: Any) -> bool:
    """Whether both are lists of as many objects, which are best compared one by one."""
    both = isinstance(saved, list) and isinstance(requested, list) and len(saved) == len(requested)
    return both and any(isinstance(item, dict) for item in saved)


def _text(value: Any) -> str:
    """A setting as a user writes it."""
    if value is None or value == []:
        return "nothing"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return comma_list(value)
    return value if isinstance(value, str) else json.dumps(value)

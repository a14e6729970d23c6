"""What a file says and what is to differ from it in, an object out."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tsclr.specs import Builder, SpecError

T = TypeVar("T")
WHOLE = ("views",)
"""Settings that a change replaces: a pipeline by name is not one argument among others."""


def changed(contents: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Contents of a config in which `changes` took the place of what they name.

    Examples
    --------
    >>> changed({"encoder": "CNN1d", "training": {"epochs": 3}}, {"encoder": {"width": 8}})
    {'encoder': {'class': 'CNN1d', 'width': 8}, 'training': {'epochs': 3}}
    """
    contents = dict(contents)
    for name, change in changes.items():
        before = contents.get(name, {})
        if isinstance(before, str):
            before = {"class": before}
        merges = isinstance(change, Mapping) and "class" not in change and name not in WHOLE
        contents[name] = {**before, **change} if merges and isinstance(before, Mapping) else change
    return contents


def tree(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Values with dots in their names as nested mappings.

    Examples
    --------
    >>> tree({"objective": "MoCo", "objective.queue": "64", "training.epochs": "3"})
    {'objective': {'class': 'MoCo', 'queue': '64'}, 'training': {'epochs': '3'}}
    """
    nested: dict[str, Any] = {}
    for name in sorted(typed):
        block, _, setting = name.partition(".")
        nested = changed(nested, {block: {setting: typed[name]} if setting else typed[name]})
    return nested


def build_changed(
    make: Callable[..., T], contents: Mapping[str, Any], changes: Mapping[str, Any], file: str
) -> T:
    """Call `make` with the changed contents of `file`; errors say which of them is wrong."""
    try:
        return Builder(importing=True).call(make, changed(contents, changes))
    except SpecError as error:
        raise (error if _is_changed(error, changes) else error.within(file)) from error


def _is_changed(error: SpecError, changes: Any) -> bool:
    """Whether an error is about a value that was changed, or about the owner of such a value."""
    # Training names the setting that it refuses, while the path is that of the whole block.
    refused = error.reason.split()[0] if error.reason.startswith(f"{error.path}.") else error.path
    for key in re.split(r"[.\[]", refused):
        if not isinstance(changes, Mapping):
            return True
        if key not in changes:
            return False
        changes = changes[key]
    return True

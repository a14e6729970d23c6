"""Code blocks of a page of the documentation, run as a reader would run them, in order."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tsclr.cli import main

QUICK = {
    "pretrain": ["--training.windows_per_epoch", "128", "--training.batch_size", "64"],
    "probe": ["--draws", "2", "--heads", "knn"],
    "views": ["--windows", "1"],
}
"""Options that make a command short, for the form in which the documentation shows it."""


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each fenced block."""
    return iter(re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


def commands(block: str) -> list[list[str]]:
    """The words of each call of ``tsclr`` in a block of shell, without the program."""
    lines = block.replace("\\\n", " ").splitlines()
    calls = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in calls if words and words[0] == "tsclr"]


def run_page(text: str) -> dict[str, Any]:
    """Run ``python`` and ``bash``, write files where a block begins with ``# NAME``; the names."""
    names: dict[str, Any] = {"__name__": "page"}
    for language, block in blocks(text):
        if file := re.match(r"# (\w+\.\w+)\n", block):
            Path(file[1]).write_text(block)
            sys.modules.pop(Path(file[1]).stem, None)  # another page may have one of that name
        elif language == "python":
            exec(compile(block, "<page>", "exec"), names)
        elif language == "bash":
            for words in commands(block):
                quick = ["--training.epochs", "1"] if _needs_epochs(words) else []
                assert main([*words, *QUICK.get(words[0], []), *quick]) == 0, words
    return names


def _needs_epochs(words: list[str]) -> bool:
    return words[0] == "pretrain" and "--training.epochs" not in words and "--resume" not in words

"""The command line: words in, one call of the package out."""

from tsclr.cli.program import main

__all__ = ["main"]

"""Files of sensor logs in, recordings in tsclr's units at a regular rate out."""

from tsclr.readers.base import Reader, find_files
from tsclr.readers.tabular import Tabular

__all__ = ["Reader", "Tabular", "find_files"]

"""Recordings become a store, a store becomes windows, and subjects are divided among their uses."""

from tsclr.data.ingest import ingest
from tsclr.data.settings import Data
from tsclr.data.splits import LeakError, Split, draw_budget, split_subjects
from tsclr.data.store import Store
from tsclr.data.windows import Windows

__all__ = [
    "Data",
    "LeakError",
    "Split",
    "Store",
    "Windows",
    "draw_budget",
    "ingest",
    "split_subjects",
]

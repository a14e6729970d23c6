"""Protocols: who is held out, once or in turns."""

from tsclr.bench.protocols.base import Protocol
from tsclr.bench.protocols.subjects import (
    GivenSubjects,
    GroupKFold,
    LeaveOneDatasetOut,
    LeaveOneSubjectOut,
    Official,
)
from tsclr.bench.protocols.windows import RandomValidation, RandomWindows

__all__ = [
    "GivenSubjects",
    "GroupKFold",
    "LeaveOneDatasetOut",
    "LeaveOneSubjectOut",
    "Official",
    "Protocol",
    "RandomValidation",
    "RandomWindows",
]

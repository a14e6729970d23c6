"""Benchmarks that can be audited: methods on datasets, scored with few labels.

A suite is scored by `bench`, one run by `probe`. A method of your own subclasses `Method` and gives
a `Representation` of what it may see through `FoldAccess`; a `Protocol` decides who is held out.
"""

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.benchmark import Source
from tsclr.bench.methods import (
    Catch22,
    FromRun,
    FromTransformer,
    HandFeatures,
    Method,
    MiniRocket,
    Pretrained,
    RandomInit,
    RandomInitFromRun,
    Supervised,
)
from tsclr.bench.probe import probe, write_scores
from tsclr.bench.protocols import (
    GivenSubjects,
    GroupKFold,
    LeaveOneDatasetOut,
    LeaveOneSubjectOut,
    Official,
    Protocol,
    RandomValidation,
    RandomWindows,
)
from tsclr.bench.runner import bench
from tsclr.bench.suite import Suite

__all__ = [
    "Catch22",
    "FoldAccess",
    "FromRun",
    "FromTransformer",
    "GivenSubjects",
    "GroupKFold",
    "HandFeatures",
    "LeaveOneDatasetOut",
    "LeaveOneSubjectOut",
    "Method",
    "MiniRocket",
    "Official",
    "Pretrained",
    "Protocol",
    "RandomInit",
    "RandomInitFromRun",
    "RandomValidation",
    "RandomWindows",
    "Representation",
    "Source",
    "Suite",
    "Supervised",
    "bench",
    "probe",
    "write_scores",
]

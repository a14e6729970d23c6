"""Benchmarks that can be audited: methods on datasets, scored with few labels.

A suite is scored by `bench`, one run by `probe`. A method of your own subclasses `Method` and gives
a `Representation` of what it may see through `FoldAccess`; a `Protocol` decides who is held out.
"""

from tsclr.bench.access import FoldAccess as FoldAccess
from tsclr.bench.access import Representation as Representation
from tsclr.bench.audit import audit_results as audit_results
from tsclr.bench.benchmark import Source as Source
from tsclr.bench.methods import *
from tsclr.bench.probe import probe as probe
from tsclr.bench.probe import write_scores as write_scores
from tsclr.bench.protocols import *
from tsclr.bench.runner import bench as bench
from tsclr.bench.suite import Suite as Suite

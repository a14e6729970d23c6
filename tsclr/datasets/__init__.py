"""Public benchmarks and a simulation, each read as recordings in tsclr's units.

A module that defines a subclass of `Dataset` and is imported here is listed, found and tested.
"""

from tsclr.datasets.base import Dataset, find
from tsclr.datasets.basic_motions import BasicMotions
from tsclr.datasets.hapt import Hapt
from tsclr.datasets.motionsense import MotionSense
from tsclr.datasets.sp_sw import SpSw
from tsclr.datasets.synthetic import Synthetic
from tsclr.datasets.wisdm import Wisdm

__all__ = ["BasicMotions", "Dataset", "Hapt", "MotionSense", "SpSw", "Synthetic", "Wisdm", "find"]

"""Public benchmarks and a simulation, each read as recordings in tsclr's units.

A module that defines a subclass of `Dataset` and is imported here is listed, found and tested.
"""

from tsclr.datasets.base import Dataset as Dataset
from tsclr.datasets.base import find as find
from tsclr.datasets.basic_motions import *
from tsclr.datasets.hapt import *
from tsclr.datasets.motionsense import *
from tsclr.datasets.sp_sw import *
from tsclr.datasets.synthetic import *
from tsclr.datasets.wisdm import *

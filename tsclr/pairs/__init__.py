"""Which windows are positives of each other: indices of windows in, indices of windows out."""

from tsclr.pairs.base import *
from tsclr.pairs.sensors import *
from tsclr.pairs.stationary import *
from tsclr.pairs.time import *

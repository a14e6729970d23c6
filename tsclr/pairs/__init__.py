"""Which windows are positives of each other: indices of windows in, indices of windows out."""

from tsclr.pairs.base import Pairing
from tsclr.pairs.sensors import OtherDevice, OtherSensor
from tsclr.pairs.stationary import StationaryNeighbour
from tsclr.pairs.time import Neighbour, SameRecording, SameWindow

__all__ = [
    "Neighbour",
    "OtherDevice",
    "OtherSensor",
    "Pairing",
    "SameRecording",
    "SameWindow",
    "StationaryNeighbour",
]

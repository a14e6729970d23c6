"""Batches of windows in, batches of random views out, on the device where the batch lies."""

from tsclr.augment.amplitude import ChannelDropout, Jitter, MagnitudeWarp, Scale
from tsclr.augment.base import Augmentation
from tsclr.augment.chain import Chain
from tsclr.augment.orientation import Rotate
from tsclr.augment.time import Crop, Permute, TimeMask, TimeWarp

__all__ = [
    "Augmentation",
    "Chain",
    "ChannelDropout",
    "Crop",
    "Jitter",
    "MagnitudeWarp",
    "Permute",
    "Rotate",
    "Scale",
    "TimeMask",
    "TimeWarp",
]

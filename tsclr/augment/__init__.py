"""Batches of windows in, batches of random views out, on the device where the batch lies.

Every module says in its ``__all__`` what it adds, so that a new view is one class in one file.
"""

from tsclr.augment.amplitude import *
from tsclr.augment.axes import *
from tsclr.augment.base import Augmentation as Augmentation
from tsclr.augment.base import Quantity as Quantity
from tsclr.augment.composition import *
from tsclr.augment.converter import *
from tsclr.augment.faults import *
from tsclr.augment.frequency import *
from tsclr.augment.from_tsaug import *
from tsclr.augment.mixing import *
from tsclr.augment.order import *
from tsclr.augment.orientation import *
from tsclr.augment.rate import *
from tsclr.augment.time import *

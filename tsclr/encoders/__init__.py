"""Windows (B, C, T) in, features (B, num_features) out: learned networks and fixed statistics."""

from tsclr.encoders.base import *
from tsclr.encoders.concat import *
from tsclr.encoders.convolutional import *
from tsclr.encoders.statistics import *
from tsclr.encoders.transformer import *

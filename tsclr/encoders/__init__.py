"""Windows (B, C, T) in, features (B, num_features) out: learned networks and fixed statistics."""

from tsclr.encoders.base import Encoder
from tsclr.encoders.concat import Concat, Spectrum
from tsclr.encoders.convolutional import CNN1d, ResNet1d
from tsclr.encoders.statistics import Statistics
from tsclr.encoders.transformer import Transformer

__all__ = ["CNN1d", "Concat", "Encoder", "ResNet1d", "Spectrum", "Statistics", "Transformer"]

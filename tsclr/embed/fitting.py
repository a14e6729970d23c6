"""Pair whitening fitted to an encoder, on neighbours in time of unlabelled streams."""

import numpy as np
import torch

from tsclr.data.windows import Windows
from tsclr.embed.encode import encode
from tsclr.embed.whitening import PairWhitening
from tsclr.encoders import Encoder
from tsclr.pairs import Neighbour

N_PAIRS = 8192
"""Pairs on which the whitening is fitted: ten for each feature of the largest shipped encoder."""


def fit_whitening(encoder: Encoder, streams: Windows, seed: int = 0) -> PairWhitening:
    """Pair whitening of the features of `neighbours`, without labels.

    ``ValueError`` if no window has a neighbour.
    """
    pairing = neighbours(streams)
    # For its error alone: without a gap every window counts as usable.
    pairing.usable(streams)
    generator = torch.Generator().manual_seed(seed)
    index = torch.randperm(len(streams), generator=generator)[:N_PAIRS].numpy()
    partners = pairing.partner(index, streams, generator)
    return PairWhitening().fit(encode(encoder, streams, index), encode(encoder, streams, partners))


def neighbours(streams: Windows) -> Neighbour:
    """The pairing of whitening: at most a window's length away, or a stride where that is more.

    Examples
    --------
    >>> from tsclr.data.store import Store
    >>> store = Store.load("synthetic")
    >>> neighbours(Windows.sliding(store, length=100, stride=50)).seconds
    2.0
    >>> neighbours(Windows.sliding(store, length=100, stride=150)).seconds
    3.0
    """
    strides = np.diff(streams.starts)[np.diff(streams.rows()) == 0]
    reach = max(streams.length, strides.min() if len(strides) else 0)
    return Neighbour(seconds=float(reach / streams.store.sample_rate))

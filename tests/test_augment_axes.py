import numpy as np
import torch
from scipy import stats

from tests.support.views import batch, seeded
from tsclr.augment import ChannelShuffle, Negate


def test_channel_shuffle_value():
    x = batch(C=5)
    drawn = ChannelShuffle().draw(x, seeded())
    view = ChannelShuffle().transform(x, drawn)
    for i in range(len(x)):
        np.testing.assert_array_equal(view[i], x[i].numpy()[drawn[i].numpy()])


def test_every_order_of_channels_is_equally_likely():
    drawn = ChannelShuffle().draw(batch(B=6000, C=3, T=2), seeded())
    counts = torch.unique(drawn, dim=0, return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_negation_is_its_own_inverse_and_keeps_norms():
    x = batch()
    view = Negate()(x)
    np.testing.assert_array_equal(view, -x.numpy())
    assert torch.equal(Negate()(view), x)

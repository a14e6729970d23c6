"""Tiny recordings made by hand, for the tests of everything that works on a store."""

import numpy as np

from tsclr.types import Recording

CHANNELS = ("acc_x", "acc_y", "acc_z")


def recording(length=100, subject="s1", name="walk", labels=None, classes=(), seed=0, **others):
    """Noise of three channels at 50 Hz; equal for an equal seed."""
    channels = others.pop("channels", CHANNELS)
    noise = np.random.default_rng(seed).normal(size=(length, len(channels))).astype(np.float32)
    settings = {"signal": noise, "sample_rate": 50.0, "subject": subject, "name": name}
    return Recording(
        channels=channels,
        labels=None if labels is None else np.asarray(labels),
        classes=tuple(classes),
        **settings | others,
    )

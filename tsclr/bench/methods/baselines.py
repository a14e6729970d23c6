"""Baselines with the encoder of a config that do not pretrain: random weights, or labels alone."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.methods.from_config import FromConfig, random_weights
from tsclr.encoders import Encoder
from tsclr.encoders.base import build_encoder
from tsclr.evaluate.scratch import FromScratch
from tsclr.train.batches import pipelines
from tsclr.train.settings import Training
from tsclr.train.setup import sensor_scale

__all__ = ["RandomInit", "Supervised"]


class RandomInit(FromConfig):
    """The encoder of a pretraining config as it is before training.

    Parameters
    ----------
    config : str
        Preset, or YAML of ``tsclr pretrain``, whose encoder is taken.
    seed : int
        Seed of the weights.
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    def __init__(self, config: str, seed: int = 0, heads: Sequence[str] | None = None) -> None:
        super().__init__(config, heads)
        self.seed = seed

    def key(self) -> dict[str, Any]:
        """Only the encoder of the config counts."""
        return super().key() | {"config": self.contents["encoder"]}

    def learn(self, access: FoldAccess) -> Representation:
        """Nothing is trained; the weights come from the seed."""
        build = partial(build_encoder, self.settings.encoder, len(access.input_spec.channels))
        encoder = random_weights(build, access, self.seed)
        return Representation(access.embed_with(encoder), encoder)


class Supervised(FromConfig):
    """The encoder of a pretraining config, trained from scratch on the labels, with the same views.

    How long it is trained is chosen on validation subjects, up to as many windows as pretraining
    with that config sees on the fold. Weights, batches and views differ from label draw to label
    draw; with all labels a suite repeats the training for each of its `seeds`.

    Parameters
    ----------
    config : str
        Preset, or YAML of ``tsclr pretrain``, whose encoder and views are taken.
    windows : int, optional
        Labelled windows in the longest training, each counted as often as it is seen; as many as
        pretraining sees by default.
    learning_rate : float
        Of all weights.
    """

    encodes = False
    own_heads = ("supervised",)

    def __init__(
        self, config: str, windows: int | None = None, learning_rate: float = 2e-3
    ) -> None:
        super().__init__(config, heads=["supervised"])
        self.windows = windows
        self.learning_rate = learning_rate

    def key(self) -> dict[str, Any]:
        """Encoder, views and length of the config count."""
        contents = self.contents
        training = contents["training"]
        length = [training[name] for name in ("epochs", "batch_size", "windows_per_epoch")]
        used = contents["encoder"], contents["views"], length
        return super().key() | {"config": used}

    def learn(self, access: FoldAccess) -> Representation:
        """Without labels, only the scale of the input is learned."""
        settings, spec = self.settings, access.input_spec
        streams = access.note("statistics", access.split.train)
        windows = self.windows or windows_pretrained_on(settings.training, len(streams))
        scale = sensor_scale(streams, 0)
        build = partial(scaled_encoder, settings.encoder, len(spec.channels), scale)
        view = pipelines(settings.views, spec.channels)[0]
        classifier = FromScratch(build, windows, learning_rate=self.learning_rate, view=view)
        return Representation(classifiers={"supervised": [classifier]})


def scaled_encoder(
    encoder: Callable[[int], Encoder], n_channels: int, scale: torch.Tensor
) -> Encoder:
    """A new encoder whose input is divided by a scale for each channel."""
    scaled = build_encoder(encoder, n_channels)
    scaled.input_scale.copy_(scale)
    return scaled


def windows_pretrained_on(training: Training, n_windows: int) -> int:
    """Views that a pretraining on so many windows sees, in all epochs together.

    Examples
    --------
    >>> windows_pretrained_on(Training(epochs=30, batch_size=256), 10_000)
    599040
    """
    in_epoch = min(training.windows_per_epoch or n_windows, n_windows)
    size = min(training.batch_size, in_epoch)
    return 2 * training.epochs * (in_epoch // size) * size

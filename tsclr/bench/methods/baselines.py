"""Baselines with the encoder of a config that do not pretrain: random weights, or labels alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.methods.from_config import FromConfig, random_weights
from tsclr.encoders.base import build_encoder
from tsclr.evaluate.finetune import FineTuned
from tsclr.train.batches import pipelines

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

    Parameters
    ----------
    config : str
        Preset, or YAML of ``tsclr pretrain``, whose encoder and views are taken.
    steps : sequence of int
        Optimiser steps to choose from.
    seed : int
        Seed of the weights.
    """

    encodes = False
    own_heads = ("supervised",)

    def __init__(self, config: str, steps: Sequence[int] = (100, 400), seed: int = 0) -> None:
        super().__init__(config, seed, ["supervised"])
        self.steps = steps

    def key(self) -> dict[str, Any]:
        """Encoder, views and learning rate of the config count."""
        contents = self.contents
        used = contents["encoder"], contents["views"], contents["training"]["learning_rate"]
        return super().key() | {"config": used}

    def learn(self, access: FoldAccess) -> Representation:
        """Without labels, only the scale of the input is learned."""
        settings, spec = self.settings, access.input_spec
        build = partial(build_encoder, settings.encoder, len(spec.channels))
        encoder = random_weights(build, access, self.seed)
        view = pipelines(settings.views, spec.channels)[0]
        rate = settings.training.learning_rate
        classifiers = [
            FineTuned(encoder, steps, encoder_rate=rate, from_scratch=True, view=view)
            for steps in self.steps
        ]
        return Representation(classifiers={"supervised": classifiers})

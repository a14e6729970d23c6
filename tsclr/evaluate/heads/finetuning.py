"""Heads that train the encoder with a linear layer on it."""

from typing import Any

from tsclr.encoders import Encoder
from tsclr.evaluate.finetune import FineTuned
from tsclr.evaluate.heads.base import EncoderHead

STEPS = (50, 200)
"""Optimiser steps to choose from: a short and a longer training."""


class FinetuneHead(EncoderHead):
    """The whole encoder is trained."""

    name = "finetune"

    def classifiers(self, encoder: Encoder) -> list[Any]:
        """A short and a longer training."""
        return [FineTuned(encoder, steps) for steps in STEPS]


class LastBlockHead(EncoderHead):
    """Only the last block of the encoder is trained."""

    name = "last-block"

    def classifiers(self, encoder: Encoder) -> list[Any]:
        """A short and a longer training."""
        return [FineTuned(encoder, steps, trained="last-block") for steps in STEPS]


class LinearFinetuneHead(EncoderHead):
    """First the linear layer is trained alone, then the whole encoder for as many steps."""

    name = "linear-finetune"

    def classifiers(self, encoder: Encoder) -> list[Any]:
        """A short and a longer training."""
        return [FineTuned(encoder, 2 * steps, linear_steps=steps) for steps in STEPS]

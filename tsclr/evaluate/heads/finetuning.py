"""Heads that train the encoder with a linear layer on it, for as long as validation improves."""

from typing import Any

from tsclr.encoders import Encoder
from tsclr.evaluate.finetune import FineTuned
from tsclr.evaluate.heads.base import EncoderHead

LINEAR_STEPS = 200
"""Steps of `LinearFinetuneHead` in which the linear layer is trained alone."""


class FinetuneHead(EncoderHead):
    """The whole encoder is trained."""

    name = "finetune"

    def classifiers(self, encoder: Encoder) -> list[Any]:
        """One training, from which the best stage is chosen."""
        return [FineTuned(encoder)]


class LastBlockHead(EncoderHead):
    """Only the last block of the encoder is trained."""

    name = "last-block"

    def classifiers(self, encoder: Encoder) -> list[Any]:
        """One training, from which the best stage is chosen."""
        return [FineTuned(encoder, trained="last-block")]


class LinearFinetuneHead(EncoderHead):
    """First the linear layer is trained alone, then the whole encoder with it."""

    name = "linear-finetune"

    def classifiers(self, encoder: Encoder) -> list[Any]:
        """One training, from which the best stage is chosen."""
        return [FineTuned(encoder, linear_steps=LINEAR_STEPS)]

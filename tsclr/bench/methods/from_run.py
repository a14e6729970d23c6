"""Methods that take their encoder from a run folder: as trained, and as it was before training."""

from abc import ABC
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tsclr import datasets
from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.cache import source_digest
from tsclr.bench.methods.base import Method
from tsclr.bench.methods.from_config import random_weights
from tsclr.datasets import Dataset
from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.encoders import Encoder
from tsclr.files import sha256
from tsclr.specs import from_spec, subclasses

__all__ = ["FromRun", "RandomInitFromRun"]


class OfRun(Method, ABC):
    """Base of the methods that take the encoder of a run."""

    trainable = True

    def __init__(self, run: str, whiten: bool = False, heads: Sequence[str] | None = None) -> None:
        super().__init__(heads)
        self.run = run
        self.whiten = whiten

    def check(self) -> None:
        """Raise unless the checkpoint is there and whole."""
        super().check()
        Checkpoint.load(Path(self.run))

    def key(self) -> dict[str, Any]:
        """The contents of the checkpoint count, not its path; so does the source of its encoder."""
        path = Path(self.run)
        settings = Checkpoint.load(path).settings
        kinds = {type(module) for module in from_spec(Encoder, settings["encoder"]).modules()}
        return super().key() | {
            "run": sha256(path / FILE if path.is_dir() else path),
            "encoder": source_digest(*kinds),
        }

    def _checkpoint(self, access: FoldAccess) -> Checkpoint:
        """The checkpoint, which must fit the channels and the rate of the fold."""
        checkpoint, spec = Checkpoint.load(Path(self.run)), access.input_spec
        checkpoint.input_spec.check_stream(spec.channels, spec.sample_rate)
        return checkpoint


class FromRun(OfRun):
    """The encoder of an existing run, such as one that ``tsclr pretrain`` wrote.

    Folds whose test subjects the run has seen are refused with a ``LeakError``. The windows of the
    pretraining are read again for the provenance; where its store is gone, the results have no
    certificate and say why.

    Parameters
    ----------
    run : str
        Run folder or checkpoint.
    whiten : bool
        Apply pair whitening to the encoder's features, which are then not standardised.
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    pretrains = True
    pretrained_before = True

    def key(self) -> dict[str, Any]:
        """So does the source of the dataset that it was pretrained on, which may be read again."""
        place = Checkpoint.load(Path(self.run)).settings["place"]
        is_dataset = place in {kind.name for kind in subclasses(Dataset).values()}
        kinds = [datasets.find(place)] if is_dataset else []
        return super().key() | {"dataset": source_digest(*kinds)}

    def learn(self, access: FoldAccess) -> Representation:
        """Nothing is trained; what the run was trained on is recorded."""
        checkpoint = self._checkpoint(access)
        access.note_run(checkpoint)
        encoder = checkpoint.encoder()
        return Representation(
            access.embed_with(encoder, self.whiten),
            encoder,
            seconds=sum(epoch["seconds"] for epoch in checkpoint.settings["metrics"]),
        )


class RandomInitFromRun(OfRun):
    """The encoder of an existing run with the weights that it had before training.

    Its input scale is set on the training subjects of the fold, as in `RandomInit`.

    Parameters
    ----------
    run : str
        Run folder or checkpoint.
    whiten : bool
        Apply pair whitening to the encoder's features, which are then not standardised.
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    def learn(self, access: FoldAccess) -> Representation:
        """Nothing is trained; the weights come from the seed of the run."""
        settings = self._checkpoint(access).settings
        build = partial(from_spec, Encoder, settings["encoder"])
        encoder = random_weights(build, access, settings["training"]["seed"])
        return Representation(access.embed_with(encoder, self.whiten), encoder)

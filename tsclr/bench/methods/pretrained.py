"""The method that pretrains on each fold."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.cache import classes_named, source_digest
from tsclr.bench.methods.from_config import FromConfig
from tsclr.data.splits import LeakError
from tsclr.embed.checkpoint import Checkpoint
from tsclr.files import digest, lock
from tsclr.train.pretrain import pretrain
from tsclr.train.setup import pick_device

__all__ = ["Pretrained"]

RUNS = pretrain.__module__
"""The module that computes a run, which imports whatever all runs depend on."""


class Pretrained(FromConfig):
    """The encoder of a config, pretrained on the streams of the training subjects of each fold.

    Parameters
    ----------
    config : str
        Preset, or YAML of ``tsclr pretrain``; its data are replaced by those of the fold.
    objective : str or dict, optional
        Objective, instead of that of the config: a class, or ``{class: MoCo, temperature: 0.2}``.
    epochs : int, optional
        Epochs, instead of those of the config.
    seed : int
        Seed of the weights and the batches.
    whiten : bool
        Apply pair whitening to the encoder's features, which are then not standardised.
    sees_test_streams : bool
        Pretrain on the unlabelled streams of the test subjects too, as transductive evaluations do.
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    pretrains = True

    def __init__(
        self,
        config: str,
        objective: str | dict[str, Any] | None = None,
        epochs: int | None = None,
        seed: int = 0,
        whiten: bool = False,
        sees_test_streams: bool = False,
        heads: Sequence[str] | None = None,
    ) -> None:
        super().__init__(config, heads)
        self.seed = seed
        self.objective = objective
        self.epochs = epochs
        self.whiten = whiten
        self.sees_test_streams = sees_test_streams

    @property
    def changes(self) -> dict[str, Any]:
        """What the method replaces in the config: the data, and the objective if it has one."""
        objective = {} if self.objective is None else {"objective": self.objective}
        return super().changes | objective

    def check(self) -> None:
        """Raise unless the config can be read, and takes no labels of test subjects."""
        super().check()
        if self.transductive and self.reads_labels:
            raise LeakError(
                f"the objective of {self.config} reads labels, and with sees_test_streams those of "
                "the test subjects too: choose another objective, or drop sees_test_streams"
            )

    @property
    def transductive(self) -> bool:
        """Whether the streams of test subjects are pretrained on."""
        return self.sees_test_streams

    @property
    def reads_labels(self) -> bool:
        """Whether the objective does."""
        return self.settings.objective.reads_labels

    def key(self) -> dict[str, Any]:
        """The contents of the config count, not its path; so does the device."""
        return super().key() | self._pretraining_key()

    def _pretraining_key(self) -> dict[str, Any]:
        """What the run depends on besides the data, as JSON can hold it."""
        contents = self.contents
        device = str(pick_device(contents["training"]["device"]))
        return {"config": contents, "device": device}

    def learn(self, access: FoldAccess) -> Representation:
        """Pretrain, or continue the run of an earlier call."""
        checkpoint = Checkpoint.load(self._run(access))
        encoder, used = checkpoint.encoder(), checkpoint.split
        if access.by_subject and not self.transductive and used != access.split:
            raise LeakError(f"pretraining used the split {used}, but the fold is {access.split}")
        seconds = sum(epoch["seconds"] for epoch in checkpoint.settings["metrics"])
        return Representation(access.embed_with(encoder, self.whiten), encoder, seconds=seconds)

    def _run(self, access: FoldAccess) -> Path:
        """The finished run folder; the first process that needs it pretrains, the others wait."""
        settings = self.settings
        epochs = self.epochs or settings.training.epochs
        training = replace(settings.training, seed=self.seed, epochs=epochs)
        data = access.pretraining_data()
        key = digest(
            source_digest(RUNS, *classes_named(settings.contents())),
            self._pretraining_key(),
            asdict(training),
            data.settings(),
            access.fingerprint,
        )
        run = access.runs / f"{Path(self.config).stem}-{key}"
        with lock(run.with_name(f"{run.name}.lock")):
            return pretrain(
                data,
                settings.encoder,
                settings.objective,
                settings.views,
                settings.pairing,
                training,
                run,
                resume=True,
            )

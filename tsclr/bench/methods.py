"""What may be seen of a fold in, a way to embed windows or an encoder to train out: the contenders.

A method learns without labels; the heads of `tsclr.evaluate.heads` learn from labels. Features are
standardised by their moments over streams of the training subjects before a head reads them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.cache import digest, source_digest, source_hashes, sources_named
from tsclr.config.pretraining import config_contents, read_config
from tsclr.data.splits import LeakError
from tsclr.data.windows import all_of
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import encode
from tsclr.encoders import Encoder, Statistics
from tsclr.encoders.base import build_encoder
from tsclr.evaluate.finetune import FineTuned
from tsclr.evaluate.heads import FeatureHead, find_head, registered_heads
from tsclr.files import lock
from tsclr.specs import spec_of
from tsclr.train.batches import pipelines
from tsclr.train.pretrain import pick_device, pretrain, sensor_scale


class Method(ABC):
    """Base of the methods of a suite.

    Parameters
    ----------
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.
    """

    encodes: ClassVar[bool] = True
    """Whether it gives an encoder."""
    finetunes: ClassVar[bool] = False
    """Whether heads may train its encoder."""
    own_heads: ClassVar[Sequence[str]] = ()
    """Names of classifiers of its own, in place of all heads."""
    whiten: bool = False
    """Whether pair whitening, which is of whole windows, stands behind the encoder."""

    def __init__(self, heads: Sequence[str] | None = None) -> None:
        self.heads = heads

    @property
    def segments(self) -> bool:
        """Whether streams can be labelled step by step, by what its encoder gives."""
        return self.encodes and not self.whiten

    def supported_heads(self) -> list[str]:
        """Names of the registered heads that it gives features or an encoder for."""
        return list(self.own_heads or filter(self.supports, registered_heads()))

    def supports(self, head: str) -> bool:
        """Whether it gives what a head needs: features, or an encoder to train."""
        if self.own_heads:
            return head in self.own_heads
        return isinstance(find_head(head), FeatureHead) or self.finetunes

    def check(self) -> None:
        """Raise what would keep it from learning, before anything is computed."""
        self.versions()

    @property
    def transductive(self) -> bool:
        """Whether it learns from unlabelled streams of test subjects."""
        return False

    @property
    def remarks(self) -> list[str]:
        """What has to be said wherever it is named: that it sees more than others do."""
        return ["transductive"] if self.transductive else []

    def key(self) -> dict[str, Any]:
        """All that the result depends on beside the data and the head, as JSON can hold it."""
        said = {name: value for name, value in spec_of(self).items() if name != "heads"}
        return said | {"source": source_hashes(type(self))}

    def versions(self) -> dict[str, str]:
        """Packages beside those of tsclr that the result depends on."""
        return {}

    @abstractmethod
    def learn(self, stage: FoldAccess) -> Representation:
        """Learn without labels.

        Parameters
        ----------
        stage : Stage
            What it may see.
        """


class FromConfig(Method):
    """Base of the methods whose encoder stands in the config of a pretraining.

    Parameters
    ----------
    config : str
        YAML of ``tsclr pretrain``.
    seed : int
        Of the weights and the batches.
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.
    """

    finetunes = True

    def __init__(self, config: str, seed: int = 0, heads: Sequence[str] | None = None) -> None:
        super().__init__(heads)
        self.config = config
        self.seed = seed

    @property
    def given(self) -> Any:
        """What the config says, as attributes."""
        return read_config(config_file(self.config))

    def check(self) -> None:
        """Raise unless the config can be read."""
        super().check()
        _ = self.given


class Pretrained(FromConfig):
    """The encoder of a pretraining on the streams of the training subjects.

    Parameters
    ----------
    config : str
        YAML of ``tsclr pretrain``; its data become those of the fold.
    epochs : int, optional
        In place of those of the config.
    seed : int
        Of the weights and the batches.
    whiten : bool
        Put pair whitening behind the encoder; its output is not standardised.
    sees_test_streams : bool
        Pretrain on the unlabelled streams of the test subjects as well, as transductive evaluations
        do.
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.
    """

    def __init__(
        self,
        config: str,
        epochs: int | None = None,
        seed: int = 0,
        whiten: bool = False,
        sees_test_streams: bool = False,
        heads: Sequence[str] | None = None,
    ) -> None:
        super().__init__(config, seed, heads)
        self.epochs = epochs
        self.whiten = whiten
        self.sees_test_streams = sees_test_streams

    def check(self) -> None:
        """Raise unless the config can be read, and takes no labels of test subjects."""
        super().check()
        if self.sees_test_streams and self.given.objective.reads_labels:
            raise LeakError(
                f"the objective of {self.config} reads labels, with sees_test_streams those of the "
                "test subjects too: take another objective, or let it see the others alone"
            )

    @property
    def transductive(self) -> bool:
        """Whether the streams of test subjects are pretrained on."""
        return self.sees_test_streams

    @property
    def remarks(self) -> list[str]:
        """As of every method, and that the objective looks at labels, of which it gets all."""
        reads = self.given.objective.reads_labels
        return [*super().remarks, *(["reads all labels"] if reads else [])]

    def key(self) -> dict[str, Any]:
        """The config by what it says, not by where it lies, and where it is trained."""
        return super().key() | self.pretraining

    @property
    def pretraining(self) -> dict[str, Any]:
        """What the run depends on beside the data, as JSON can hold it."""
        said = config_of(self.config)
        device = str(pick_device(said["training"]["device"]))
        return {"config": said, "classes": sources_named(said), "device": device}

    def learn(self, stage: FoldAccess) -> Representation:
        """Pretrain, or take up the run of an earlier call."""
        checkpoint = Checkpoint.load(self.run(stage))
        encoder = checkpoint.encoder()
        used = checkpoint.split
        divided = stage.by_subject and not self.transductive
        if divided and used != stage.split:
            raise LeakError(f"pretraining divides the subjects as {used}, the fold in another way")
        stage.note("pretraining", used.train)
        if checkpoint.settings["training"]["patience"]:
            stage.note("choice", used.validation)
        seconds = sum(epoch["seconds"] for epoch in checkpoint.settings["metrics"])
        if not self.whiten:
            return Representation(
                stage.standardised(partial(encode, encoder)), encoder, seconds=seconds
            )
        return Representation(stage.whitened(encoder), encoder, seconds=seconds)

    def run(self, stage: FoldAccess) -> Path:
        """The run folder, pretrained to its end, by whichever process is the first to need it."""
        given = self.given
        epochs = self.epochs or given.training.epochs
        training = replace(given.training, seed=self.seed, epochs=epochs)
        data = replace(stage.data, test=[]) if self.transductive else stage.data
        call = digest(
            source_digest(), self.pretraining, asdict(training), asdict(data), stage.fingerprint
        )
        run = stage.runs / f"{Path(self.config).stem}-{call}"
        with lock(run.with_name(f"{run.name}.lock")):
            return pretrain(
                data,
                given.encoder,
                given.objective,
                given.views,
                given.pairing,
                training,
                run,
                resume=True,
            )


class RandomInit(FromConfig):
    """The encoder of a pretraining config as it is before training.

    Parameters
    ----------
    config : str
        YAML of ``tsclr pretrain``, whose encoder is taken.
    seed : int
        Of the weights.
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.
    """

    def key(self) -> dict[str, Any]:
        """The encoder alone counts of the config."""
        said = config_of(self.config)["encoder"]
        return super().key() | {"config": said, "classes": sources_named(said)}

    def learn(self, stage: FoldAccess) -> Representation:
        """Draw the weights."""
        encoder = untrained(self.given.encoder, stage, self.seed)
        return Representation(stage.standardised(partial(encode, encoder)), encoder)


class Supervised(FromConfig):
    """The encoder of a pretraining config, trained from scratch on the labels, with the same views.

    Parameters
    ----------
    config : str
        YAML of ``tsclr pretrain``, whose encoder and views are taken.
    steps : sequence of int
        Steps of training to choose from.
    seed : int
        Of the weights.
    """

    encodes = False
    own_heads = ("supervised",)

    def __init__(self, config: str, steps: Sequence[int] = (100, 400), seed: int = 0) -> None:
        super().__init__(config, seed, ["supervised"])
        self.steps = steps

    def key(self) -> dict[str, Any]:
        """Encoder, views and learning rate count of the config."""
        said = config_of(self.config)
        counting = said["encoder"], said["views"], said["training"]["learning_rate"]
        return super().key() | {"config": counting, "classes": sources_named(said)}

    def learn(self, stage: FoldAccess) -> Representation:
        """Nothing is learned without labels but the scale of the input."""
        given = self.given
        encoder = untrained(given.encoder, stage, self.seed)
        view = pipelines(given.views, stage.input_spec.channels)[0]
        rate = given.training.learning_rate
        candidates = [
            FineTuned(encoder, steps, encoder_rate=rate, from_scratch=True, view=view)
            for steps in self.steps
        ]
        return Representation(classifiers={"supervised": candidates})


class HandFeatures(Method):
    """The 174 hand-crafted features of `tsclr.encoders.Statistics`.

    Parameters
    ----------
    whiten : bool
        Put pair whitening behind them; its output is not standardised.
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.
    """

    def __init__(self, whiten: bool = False, heads: Sequence[str] | None = None) -> None:
        super().__init__(heads)
        self.whiten = whiten

    def learn(self, stage: FoldAccess) -> Representation:
        """Their moments, or their whitening."""
        spec = stage.input_spec
        encoder = Statistics(len(spec.channels), spec.sample_rate)
        if self.whiten:
            return Representation(stage.whitened(encoder), encoder)
        return Representation(stage.standardised(partial(encode, encoder)), encoder)


class FromAeon(Method):
    """Base of the methods that aeon has, without an encoder; they need the extra ``bench``.

    Parameters
    ----------
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.
    """

    encodes = False

    def versions(self) -> dict[str, str]:
        """Those of aeon and of what compiles it."""
        return {name: import_optional(name).__version__ for name in ("aeon", "numba")}


class MiniRocket(FromAeon):
    """Random convolution kernels with dilations [1]_, as aeon has them; needs the extra ``bench``.

    Parameters
    ----------
    n_kernels : int
        Features, about.
    seed : int
        Of the biases.
    heads : sequence of str
        ``ridge`` by default, as in the paper.

    References
    ----------
    .. [1] Dempster et al., MiniRocket: a very fast (almost) deterministic transform for time series
       classification, KDD 2021.
    """

    def __init__(
        self, n_kernels: int = 10_000, seed: int = 0, heads: Sequence[str] | None = ("ridge",)
    ) -> None:
        super().__init__(heads)
        self.n_kernels = n_kernels
        self.seed = seed

    def learn(self, stage: FoldAccess) -> Representation:
        """Biases are quantiles over streams of the training subjects."""
        kind = import_optional("aeon.transformations.collection.convolution_based").MiniRocket
        rocket = kind(n_kernels=self.n_kernels, random_state=self.seed)
        rocket.fit(all_of(stage.sample()))
        return Representation(stage.standardised(lambda windows: rocket.transform(all_of(windows))))


class Catch22(FromAeon):
    """The 22 canonical features of each channel [1]_, as aeon has them; needs the extra ``bench``.

    Parameters
    ----------
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.

    References
    ----------
    .. [1] Lubba et al., catch22: CAnonical Time-series CHaracteristics, Data Mining and Knowledge
       Discovery 33, 2019.
    """

    def learn(self, stage: FoldAccess) -> Representation:
        """Their moments."""
        kind = import_optional("aeon.transformations.collection.feature_based").Catch22
        catch = kind(replace_nans=True)
        return Representation(
            stage.standardised(lambda windows: catch.fit_transform(all_of(windows).astype(float)))
        )


def untrained(encoder: Callable[[int], Encoder], stage: FoldAccess, seed: int) -> Encoder:
    """A new encoder for the windows of a fold, its input scale set as pretraining sets it.

    Parameters
    ----------
    encoder : callable
        Makes it from its number of channels.
    stage : Stage
        What may be seen.
    seed : int
        Of the weights.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        fresh = build_encoder(encoder, len(stage.input_spec.channels))
    streams = stage.note("statistics", stage.split.train)
    fresh.input_scale.copy_(sensor_scale(streams, seed))
    return fresh.eval()


def config_of(config: str) -> dict[str, Any]:
    """What the YAML of a pretraining says, with every default.

    Parameters
    ----------
    config : str
        File.
    """
    return config_contents(config_file(config))


def config_file(config: str) -> Path:
    """The file of a config.

    Parameters
    ----------
    config : str
        Its name.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    file = Path(config)
    if not file.is_file():
        raise FileNotFoundError(
            f"no config {config}: name a YAML of `tsclr pretrain`, from the folder you are in"
        )
    return file


def import_optional(module: str) -> Any:
    """A module of a package that the extra ``bench`` brings.

    Parameters
    ----------
    module : str
        Full name.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is not installed, which this method needs: pip install 'tsclr[bench]'"
        ) from error

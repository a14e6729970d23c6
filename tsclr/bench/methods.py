"""What may be seen of a fold in, a way to embed windows or an encoder to train out: the contenders.

A method learns without labels; the heads of `tsclr.heads` learn from labels. Features are
standardised by their moments over streams of the training subjects before a head reads them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from sklearn.preprocessing import StandardScaler

from tsclr.bench.cache import code, digest, source_hashes, sources_named
from tsclr.checkpoint import Checkpoint
from tsclr.config import config_contents, read_config
from tsclr.encoders import Encoder, Statistics
from tsclr.encoders.base import made
from tsclr.features import encode, fit_whitening
from tsclr.files import in_turn
from tsclr.finetune import FineTuned
from tsclr.heads import FROZEN, HEADS
from tsclr.pretrain import pick_device, pretrain, sensor_scale
from tsclr.settings import Data
from tsclr.specs import spec_of
from tsclr.splits import LeakError, Split
from tsclr.task import Task
from tsclr.types import InputSpec
from tsclr.views import pipelines
from tsclr.windows import Windows, all_of

N_MOMENTS = 2048
"""Stream windows on which a fixed transform is fitted and moments of features are taken."""
N_AGAIN = 32
"""Windows that are embedded a second time, about."""
ALIKE = 1e-3
"""Features of one window that differ by less, as a share of their size, differ by rounding."""
Embed = Callable[[Windows], Float[np.ndarray, "N F"]]


class Stage:
    """What a method may see, and where it may keep what it learns.

    The windows that it gives have no labels, and whose they are is noted in the ledger.

    Parameters
    ----------
    task : Task
        Labelled windows, which no method gets, and who is who.
    data : Data
        The same for a pretraining, which divides the subjects as the task does.
    fingerprint : str
        Of the recordings.
    runs : Path
        Folder for pretrainings.
    """

    def __init__(self, task: Task, data: Data, fingerprint: str, runs: Path) -> None:
        self._task = task
        self.data = data
        self.fingerprint = fingerprint
        self.runs = runs

    @property
    def input_spec(self) -> InputSpec:
        """Of the windows: channels, rate and length."""
        return self._task.windows.input_spec

    @property
    def split(self) -> Split:
        """Who is trained on, chosen on and tested."""
        return self._task.split

    @property
    def by_subject(self) -> bool:
        """Whether the split names subjects, and not parts into which windows were drawn."""
        return self._task.parts is None

    def note(self, role: str, subjects: Sequence[str]) -> Windows:
        """Unlabelled windows of `subjects`, noted in the ledger as used for `role`.

        Where the split of the task divides windows, they are those of all but the test subjects.

        Parameters
        ----------
        role : str
            As `tsclr.ledger.ROLES` has it.
        subjects : sequence of str
            Whose streams.
        """
        store = self._task.windows.store
        if not self.by_subject:
            subjects = [name for name in store.subjects if name not in (self.data.test or [])]
        streams = self.data.windows(store, tuple(subjects))
        self._task.ledger.note(role, streams)
        return streams

    def sample(self) -> Windows:
        """`N_MOMENTS` stream windows of the training subjects, noted as used for statistics."""
        streams = self.note("statistics", self.split.train)
        drawn = np.random.default_rng(self._task.seed).permutation(len(streams))[:N_MOMENTS]
        return streams.select(np.sort(drawn))

    def standardised(self, embed: Embed) -> Embed:
        """`embed` with each feature standardised by its moments over streams.

        Parameters
        ----------
        embed : callable
            Windows in, features (N, F) out.
        """
        moments = StandardScaler().fit(embed(self.sample()))
        return lambda windows: np.asarray(moments.transform(embed(windows)))

    def whitened(self, encoder: Encoder) -> Embed:
        """Features of an encoder behind pair whitening, which are not standardised.

        Parameters
        ----------
        encoder : Encoder
            Gives the features.
        """
        whitening = fit_whitening(encoder, self.note("statistics", self.split.train))
        return lambda windows: whitening.transform(encode(encoder, windows))


@dataclass(frozen=True)
class Learned:
    """What a method made of the unlabelled side of a fold.

    Parameters
    ----------
    embed : callable, optional
        Windows in, features (N, F) out; None where there are only classifiers of windows.
    encoder : Encoder, optional
        For heads that train it along.
    classifiers : dict of str to list
        Candidates of heads of its own, which read windows.
    seconds : float, optional
        Time that learning took, where it was not this call that learned.
    """

    embed: Embed | None = None
    encoder: Encoder | None = None
    classifiers: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float | None = None

    def features(self, windows: Windows) -> Float[np.ndarray, "N F"] | None:
        """Features of windows, None where the method gives none.

        Some are embedded again among fewer others, so that nothing of the test reaches a feature by
        way of the windows beside it, such as by a normalisation over all that are embedded.

        Parameters
        ----------
        windows : Windows
            All of a task; their labels are kept back.

        Raises
        ------
        LeakError
            If the features of a window depend on the windows that are embedded with it.
        """
        if self.embed is None:
            return None
        unlabelled = Windows(windows.store, windows.length, windows.starts)
        features = self.embed(unlabelled)
        few = np.arange(0, len(windows), max(2, len(windows) // N_AGAIN))
        off = np.abs(self.embed(unlabelled.select(few)) - features[few]).mean()
        if not off <= ALIKE * np.abs(features[few]).mean():
            raise LeakError(
                "features of a window are others when it is embedded with other windows, so that "
                "they hold something of the test: embed each window for itself"
            )
        return features


class Method(ABC):
    """Base of the methods of a suite.

    Parameters
    ----------
    heads : sequence of str, optional
        Heads of its own in place of those of the suite.
    """

    encodes: ClassVar[bool] = True
    """Whether it gives an encoder."""
    able: ClassVar[Sequence[str]] = tuple(FROZEN)
    """Heads that it has something for."""
    whiten: bool = False
    """Whether pair whitening, which is of whole windows, stands behind the encoder."""

    def __init__(self, heads: Sequence[str] | None = None) -> None:
        self.heads = heads

    @property
    def segments(self) -> bool:
        """Whether streams can be labelled step by step, by what its encoder gives."""
        return self.encodes and not self.whiten

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
    def learn(self, stage: Stage) -> Learned:
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

    able = HEADS

    def __init__(self, config: str, seed: int = 0, heads: Sequence[str] | None = None) -> None:
        super().__init__(heads)
        self.config = config
        self.seed = seed

    @property
    def given(self) -> Any:
        """What the config says, as attributes."""
        return read_config(existing(self.config))

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
        said = contents(self.config)
        device = str(pick_device(said["training"]["device"]))
        return {"config": said, "classes": sources_named(said), "device": device}

    def learn(self, stage: Stage) -> Learned:
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
            return Learned(stage.standardised(partial(encode, encoder)), encoder, seconds=seconds)
        return Learned(stage.whitened(encoder), encoder, seconds=seconds)

    def run(self, stage: Stage) -> Path:
        """The run folder, pretrained to its end, by whichever process is the first to need it."""
        given = self.given
        epochs = self.epochs or given.training.epochs
        training = replace(given.training, seed=self.seed, epochs=epochs)
        data = replace(stage.data, test=[]) if self.transductive else stage.data
        call = digest(
            code(), self.pretraining, asdict(training), asdict(data), stage.fingerprint
        )  # fmt: skip
        run = stage.runs / f"{Path(self.config).stem}-{call}"
        with in_turn(run.with_suffix(".lock")):
            return pretrain(
                data, given.encoder, given.objective, given.views, given.pairing, training, run,
                resume=True,
            )  # fmt: skip


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
        said = contents(self.config)["encoder"]
        return super().key() | {"config": said, "classes": sources_named(said)}

    def learn(self, stage: Stage) -> Learned:
        """Draw the weights."""
        encoder = untrained(self.given.encoder, stage, self.seed)
        return Learned(stage.standardised(partial(encode, encoder)), encoder)


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
    able = ("supervised",)

    def __init__(self, config: str, steps: Sequence[int] = (100, 400), seed: int = 0) -> None:
        super().__init__(config, seed, ["supervised"])
        self.steps = steps

    def key(self) -> dict[str, Any]:
        """Encoder, views and learning rate count of the config."""
        said = contents(self.config)
        counting = said["encoder"], said["views"], said["training"]["learning_rate"]
        return super().key() | {"config": counting, "classes": sources_named(said)}

    def learn(self, stage: Stage) -> Learned:
        """Nothing is learned without labels but the scale of the input."""
        given = self.given
        encoder = untrained(given.encoder, stage, self.seed)
        view = pipelines(given.views, stage.input_spec.channels)[0]
        rate = given.training.learning_rate
        candidates = [
            FineTuned(encoder, steps, encoder_rate=rate, from_scratch=True, view=view)
            for steps in self.steps
        ]
        return Learned(classifiers={"supervised": candidates})


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

    def learn(self, stage: Stage) -> Learned:
        """Their moments, or their whitening."""
        spec = stage.input_spec
        encoder = Statistics(len(spec.channels), spec.sample_rate)
        if self.whiten:
            return Learned(stage.whitened(encoder), encoder)
        return Learned(stage.standardised(partial(encode, encoder)), encoder)


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
        return {name: needed(name).__version__ for name in ("aeon", "numba")}


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

    def learn(self, stage: Stage) -> Learned:
        """Biases are quantiles over streams of the training subjects."""
        kind = needed("aeon.transformations.collection.convolution_based").MiniRocket
        rocket = kind(n_kernels=self.n_kernels, random_state=self.seed)
        rocket.fit(all_of(stage.sample()))
        return Learned(stage.standardised(lambda windows: rocket.transform(all_of(windows))))


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

    def learn(self, stage: Stage) -> Learned:
        """Their moments."""
        kind = needed("aeon.transformations.collection.feature_based").Catch22
        catch = kind(replace_nans=True)
        return Learned(
            stage.standardised(lambda windows: catch.fit_transform(all_of(windows).astype(float)))
        )


def untrained(encoder: Callable[[int], Encoder], stage: Stage, seed: int) -> Encoder:
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
        fresh = made(encoder, len(stage.input_spec.channels))
    streams = stage.note("statistics", stage.split.train)
    fresh.input_scale.copy_(sensor_scale(streams, seed))
    return fresh.eval()


def contents(config: str) -> dict[str, Any]:
    """What the YAML of a pretraining says, with every default.

    Parameters
    ----------
    config : str
        File.
    """
    return config_contents(existing(config))


def existing(config: str) -> Path:
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


def needed(module: str) -> Any:
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

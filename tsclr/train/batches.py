"""Windows and their positives in, a `Batch` of views out."""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from tsclr.augment import Augmentation, Chain
from tsclr.data.windows import Windows
from tsclr.distributed import rank
from tsclr.objectives.batch import Batch
from tsclr.pairs import Pairing
from tsclr.train.sampler import seed_of

log = logging.getLogger(__name__)


def pipelines(
    views: list[Augmentation] | dict[str, list[Augmentation]], channels: Sequence[str]
) -> list[Chain]:
    """A pipeline for each view: one list is for both, a dict has one for each, two at least.

    Examples
    --------
    >>> from tsclr.augment import Jitter, Rotate
    >>> strong = [Rotate(), Jitter()]
    >>> len(pipelines({"weak": [Jitter()], "strong": strong, "stronger": strong}, ["acc_x"]))
    3
    """
    per_view = list(views.values()) if isinstance(views, dict) else [views] * 2
    if len(per_view) < 2:
        raise ValueError(
            f"views has {len(per_view)} named pipeline: name at least two, or pass a list, which "
            "serves both views"
        )
    return [Chain(augmentations).for_channels(channels) for augmentations in per_view]


def with_partners(windows: Windows, pairing: Pairing) -> Windows:
    """Leave out, and count in the log, the windows for which the pairing has no partner."""
    usable = pairing.usable(windows)
    n_alone = len(windows) - len(usable)
    if n_alone:
        log.info("%d of %d windows have no partner and are left out", n_alone, len(windows))
    return windows.select(usable)


@dataclass(frozen=True)
class BatchBuilder:
    """Makes batches of windows on `device`: each pipeline shows one view of each window.

    The first pipeline is for the windows themselves, each further one for a positive of each. The
    pairing says which channels a view shows. A pipeline that mixes windows is a ``ValueError``.
    """

    pipelines: list[Chain]
    pairing: Pairing
    windows: Windows
    device: torch.device
    reads_labels: bool = False

    def __post_init__(self) -> None:
        for module in itertools.chain(*(pipeline.modules() for pipeline in self.pipelines)):
            if isinstance(module, Augmentation) and module.mixes_windows:
                raise ValueError(
                    f"{type(module).__name__} mixes windows, which this objective cannot handle: "
                    "leave it out of `views`; it is for objectives with soft targets"
                )

    def __call__(
        self,
        indices: Int[torch.Tensor, "V B"],
        x: Float[torch.Tensor, "N C T"],
        generator: torch.Generator | None = None,
    ) -> Batch:
        """Views of windows, drawn from the global generator."""
        shown = x.to(self.device, non_blocking=True).unflatten(0, indices.shape)
        channels = self.windows.store.channels
        views = []
        for number, pipeline in enumerate(self.pipelines):
            view = pipeline(shown[number])
            hidden = ~self.pairing.visible(channels, number)
            if hidden.any():
                # In place even if no view copies: the windows were gathered for this batch alone.
                view[:, hidden] = 0
            views.append(view)
        return Batch(views, **self._origins(indices.numpy()), generator=generator)

    def _origins(self, indices: Int[np.ndarray, "V B"]) -> dict[str, torch.Tensor]:
        """Where the windows behind the views lie and, if the objective reads them, their labels."""
        rows = self.windows.rows(indices.ravel()).reshape(indices.shape)
        origins = {
            "windows": indices,
            # In float64: late in a large store, single precision no longer resolves a sample.
            "starts": self.windows.starts[indices] / self.windows.store.sample_rate,
            "recordings": rows,
        }
        if self.reads_labels:
            origins["labels"] = self.windows.stream_labels(indices[0])
        return {
            name: torch.from_numpy(values).to(self.device, non_blocking=True)
            for name, values in origins.items()
        }


def make_batch(
    batches: BatchBuilder, indices: Int[torch.Tensor, "V B"], x: torch.Tensor, seed: int, step: int
) -> Batch:
    """Batch of a step: other views in every process, while the objective draws the same in all."""
    # Views draw from the global generator, the only one that torch.compile accepts.
    torch.manual_seed(seed_of(seed, 2, step, rank()))
    return batches(indices, x, torch.Generator().manual_seed(seed_of(seed, 3, step)))

"""An encoder and windows in, an array of representations out, batch by batch."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32
from rich.progress import track

from tsclr.encoders import Encoder


@runtime_checkable
class Batches(Protocol):
    """What gives windows by number: `Windows`, or any dataset with ``__getitems__``."""

    def __len__(self) -> int:
        """How many windows."""
        ...

    def __getitems__(self, indices: Sequence[int]) -> torch.Tensor:
        """Windows (B, C, T) by number."""
        ...


def encode(
    encoder: Encoder,
    windows: Batches,
    batch_size: int = 512,
    progress: str | None = None,
) -> Float32[np.ndarray, "N D"]:
    """Representations of all windows, in evaluation mode and without gradients.

    Parameters
    ----------
    encoder : Encoder
        Maps (B, C, T) to (B, D); runs on the device where it lies.
    windows : Batches
        N windows.
    batch_size : int
        Windows per pass.
    progress : str, optional
        Title of a progress bar; none by default.

    Returns
    -------
    (N, D) float32
        One row for each window.
    """
    device = encoder.input_scale.device
    features = np.empty((len(windows), encoder.num_features), np.float32)
    was_training = encoder.training
    encoder.eval()
    with torch.inference_mode():
        for low in track(
            range(0, len(windows), batch_size), description=progress or "", disable=not progress
        ):
            index = range(low, min(low + batch_size, len(windows)))
            features[low : low + len(index)] = encoder(windows.__getitems__(index).to(device)).cpu()
    encoder.train(was_training)
    return features

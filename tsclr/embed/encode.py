"""An encoder and windows in, representations out."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from tsclr.encoders import Encoder


@runtime_checkable
class Batches(Protocol):
    """What gives windows by number, as `tsclr.data.windows.Windows` does."""

    def __len__(self) -> int:
        """How many windows."""
        ...

    def take(self, indices: np.ndarray) -> torch.Tensor:
        """Windows (B, C, T) by number."""
        ...


def encode(
    encoder: Encoder,
    windows: Batches | Float[np.ndarray, "N C T"],
    indices: Int[np.ndarray, " M"] | None = None,
    batch_size: int = 512,
) -> Float32[np.ndarray, "M D"]:
    """Representations of windows, in evaluation mode and without gradients."""
    rows = np.arange(len(windows)) if indices is None else indices
    features = np.empty((len(rows), encoder.num_features), np.float32)
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.inference_mode():
            for low in range(0, len(rows), batch_size):
                batch = rows[low : low + batch_size]
                is_array = isinstance(windows, np.ndarray)
                x = torch.from_numpy(windows[batch]) if is_array else windows.take(batch)
                features[low : low + len(batch)] = encoder(x.to(encoder.input_scale.device)).cpu()
    finally:
        encoder.train(was_training)
    return features

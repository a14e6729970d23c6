"""NumPy windows in, weights one step further on out: a pretraining step without tsclr's engine.

It is written for comparison only, in the manner of CL-HAR (Qian, Tian and Miao, "What makes good
contrastive learning on small-scale wearable-based tasks?", KDD 2022) and of much code like it. The
training loop makes the views with NumPy and SciPy, one window at a time, warps time along a spline
for each channel, calls the encoder once for each view, and selects the negatives from the matrix of
similarities by a mask. Kinds and settings of the views, encoder and loss are those of `tsclr.demo`.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation
from torch import nn

from tsclr.encoders import Encoder

Window = Float[np.ndarray, "T C"]
Change = Callable[[Window, np.random.Generator], Window]
Loss = Callable[[Float[torch.Tensor, "2 B D"], float], Float[torch.Tensor, ""]]
P, TEMPERATURE = 0.8, 0.2


def crop(window: Window, rng: np.random.Generator, min_fraction: float = 0.6) -> Window:
    """Stretch a part of the window over its length."""
    n_rows, n_channels = window.shape
    extent = (n_rows - 1) * rng.uniform(min_fraction, 1)
    read = rng.uniform(0, n_rows - 1 - extent) + np.linspace(0, extent, n_rows)
    rows = np.arange(n_rows)
    return np.stack([np.interp(read, rows, window[:, c]) for c in range(n_channels)], axis=1)


def time_warp(
    window: Window, rng: np.random.Generator, strength: float = 0.2, knots: int = 4
) -> Window:
    """Change the speed along a spline, another one for each channel."""
    n_rows, n_channels = window.shape
    rows, places = np.arange(n_rows), np.linspace(0, n_rows - 1, knots + 2)
    warped = np.empty_like(window)
    for c in range(n_channels):
        speed = CubicSpline(places, rng.normal(1, strength, knots + 2))(rows)
        elapsed = np.cumsum(speed)
        warped[:, c] = np.interp(rows, elapsed * (n_rows - 1) / elapsed[-1], window[:, c])
    return warped


def scale(window: Window, rng: np.random.Generator, sd: float = 0.1) -> Window:
    """One gain for each sensor of three axes."""
    return window * np.repeat(rng.normal(1, sd, window.shape[1] // 3), 3)


def rotate(window: Window, rng: np.random.Generator, spread: float = 0.5) -> Window:
    """One rotation for all sensors."""
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * rng.normal(0, spread)).as_matrix().T
    sensors = np.split(window, window.shape[1] // 3, axis=1)
    return np.hstack([sensor @ turn for sensor in sensors])


def jitter(window: Window, rng: np.random.Generator, sd: float = 0.02) -> Window:
    """White noise."""
    return window + rng.normal(0, sd, window.shape)


CHANGES: tuple[Change, ...] = (crop, time_warp, scale, rotate, jitter)


def view(windows: list[Window], rng: np.random.Generator) -> Float[torch.Tensor, "B C T"]:
    """A view of each window, each change with probability `P`."""
    seen = []
    for window in windows:
        changed = window
        for change in CHANGES:
            if rng.random() < P:
                changed = change(changed, rng)
        seen.append(changed)
    return torch.from_numpy(np.stack(seen)).float().transpose(1, 2).contiguous()


def broadcast_nt_xent(
    z: Float[torch.Tensor, "2 B D"], temperature: float
) -> Float[torch.Tensor, ""]:
    """NT-Xent of similarities by broadcasting, as in CL-HAR: tensors of (2B, 2B, D)."""
    flat = z.flatten(0, 1)
    return select_negatives(torch.cosine_similarity(flat[:, None], flat[None], -1) / temperature)


def selecting_nt_xent(
    z: Float[torch.Tensor, "2 B D"], temperature: float
) -> Float[torch.Tensor, ""]:
    """NT-Xent of similarities by a matrix product."""
    flat = nn.functional.normalize(z.flatten(0, 1), dim=1)
    return select_negatives(flat @ flat.T / temperature)


def select_negatives(similarity: Float[torch.Tensor, "N N"]) -> Float[torch.Tensor, ""]:
    """Cross entropy of the positive among the negatives, which a mask selects."""
    n = len(similarity)
    positives = torch.cat([similarity.diag(n // 2), similarity.diag(-n // 2)])
    negative = torch.ones(n, n, dtype=torch.bool).fill_diagonal_(False)
    negative[torch.arange(n), torch.arange(n).roll(n // 2)] = False
    logits = torch.cat([positives[:, None], similarity[negative].view(n, -1)], dim=1)
    return nn.functional.cross_entropy(logits, torch.zeros(n, dtype=torch.long))


def step(
    encoder: Encoder,
    projector: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    pairs: tuple[list[Window], list[Window]],
    rng: np.random.Generator,
) -> float:
    """Views, forward passes, loss, backward pass and update."""
    optimizer.zero_grad()
    z = [projector(encoder(view(windows, rng))) for windows in pairs]
    found = loss(torch.stack(z), TEMPERATURE)
    found.backward()
    optimizer.step()
    return found.item()

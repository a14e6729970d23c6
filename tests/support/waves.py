"""Windows that any classifier can tell apart: slow waves and fast ones."""

import numpy as np


def slow_and_fast() -> tuple[np.ndarray, np.ndarray]:
    """Twenty slow waves with label 3, then twenty fast ones with label 7."""
    generator = np.random.default_rng(0)
    labels = np.repeat([3, 7], 20)
    phase = generator.uniform(0, 2 * np.pi, (40, 3, 1))
    waves = np.sin(np.arange(64) * np.where(labels == 3, 0.1, 0.8)[:, None, None] + phase)
    return waves.astype(np.float32), labels

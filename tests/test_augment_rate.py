import numpy as np
import pytest
import torch
from scipy import stats

from tests.support.views import batch, seeded
from tsclr.augment import Pool


@pytest.mark.parametrize("max_size", [1, 65])
def test_setting_outside_its_range(max_size):
    with pytest.raises(ValueError, match=f"max_size is {max_size}, allowed is 2 to 64"):
        Pool(max_size)


def pooled(window: np.ndarray, size: int) -> np.ndarray:
    """Every block of a window (C, T) set to its mean, one after the other."""
    view = np.empty_like(window)
    for start in range(0, window.shape[1], size):
        block = slice(start, start + size)
        view[:, block] = window[:, block].mean(axis=1, keepdims=True)
    return view


@pytest.mark.parametrize("T", [2, 3, 40, 41])
@pytest.mark.parametrize("max_size", [2, 6, 64])
def test_pool_value(max_size, T):
    pool, x = Pool(max_size), batch(B=100, C=4, T=T)
    sizes = pool.draw(x, seeded())
    view = pool.transform(x, sizes)
    for i, size in enumerate(sizes.tolist()):
        np.testing.assert_allclose(view[i], pooled(x[i].numpy(), size), atol=1e-12)


def test_pool_of_single_samples_is_the_window():
    x = batch()
    torch.testing.assert_close(Pool().transform(x, torch.ones(16, dtype=torch.long)), x)


def test_size_is_uniform():
    values, counts = Pool(max_size=7).draw(batch(B=5000, C=1), seeded()).unique(return_counts=True)
    assert values.tolist() == [2, 3, 4, 5, 6, 7]
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_float32_keeps_its_digits_in_long_windows_far_from_zero():
    """A running sum over 4096 samples of gravity in m/s² would lose the digits of a block."""
    time = torch.arange(4096, dtype=torch.float64)
    x = (9.81 + (0.01 * time).sin() + 0.1 * batch(B=4, C=3, T=4096)).float()
    sizes = torch.tensor([2, 3, 4, 7])
    view = Pool(max_size=7).transform(x, sizes)
    for i, size in enumerate(sizes.tolist()):
        np.testing.assert_allclose(view[i], pooled(x[i].double().numpy(), size), rtol=1e-6)


def test_the_mean_of_the_window_stays():
    x = batch(T=60)
    sizes = torch.tensor([2, 3, 4, 5] * 4)  # all divide 60
    view = Pool(max_size=5).transform(x, sizes)
    torch.testing.assert_close(view.mean(dim=2), x.mean(dim=2))

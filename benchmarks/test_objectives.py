"""NT-Xent, value and gradient: two views of a batch of windows x 128, in time and peak memory.

Beside it, in the same group, stands the same loss as popular repositories write it: the
similarity of all pairs, by broadcasting cosine_similarity or by a matrix product, then boolean
selection of the negatives. Broadcasting makes tensors of (2N, 2N, D): about 3 GiB at 512 windows,
and more than 10 GiB at 1,024, where it is not run. `extra_info` holds the peak memory above that of
the inputs, in MiB, measured in a fresh process.
"""

import multiprocessing
import threading

import psutil
import pytest
import torch

from tsclr.objectives import nt_xent

WIDTH, TEMPERATURE = 128, 0.2


def broadcast_nt_xent(z, temperature):
    flat = z.flatten(0, 1)
    return select_negatives(torch.cosine_similarity(flat[:, None], flat[None], -1) / temperature)


def selecting_nt_xent(z, temperature):
    flat = torch.nn.functional.normalize(z.flatten(0, 1), dim=1)
    return select_negatives(flat @ flat.T / temperature)


def select_negatives(similarity):
    n = len(similarity)
    positives = torch.cat([similarity.diag(n // 2), similarity.diag(-n // 2)])
    negative = torch.ones(n, n, dtype=torch.bool).fill_diagonal_(False)
    negative[torch.arange(n), torch.arange(n).roll(n // 2)] = False
    logits = torch.cat([positives[:, None], similarity[negative].view(n, -1)], dim=1)
    return torch.nn.functional.cross_entropy(logits, torch.zeros(n, dtype=torch.long))


def embeddings(windows):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, windows, WIDTH, generator=generator, requires_grad=True)


def value_and_gradient(function, z):
    loss = function(z, TEMPERATURE)
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def peak_mebibytes(function, windows):
    """Largest resident size, sampled every millisecond, above that after a small warm-up."""
    torch.set_num_threads(1)
    z = embeddings(windows)
    value_and_gradient(function, z[:, :16])
    process, done = psutil.Process(), threading.Event()
    sizes = [process.memory_info().rss]

    def watch():
        while not done.wait(0.001):
            sizes.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    value_and_gradient(function, z)
    done.set()
    watcher.join()
    return (max(sizes) - sizes[0]) / 2**20


@pytest.mark.parametrize(
    ("function", "windows", "rounds"),
    [
        (nt_xent, 512, 20),
        (selecting_nt_xent, 512, 20),
        (broadcast_nt_xent, 512, 1),
        (nt_xent, 1024, 10),
        (selecting_nt_xent, 1024, 10),
    ],
)
def test_nt_xent(benchmark, function, windows, rounds):
    benchmark.group = f"nt_xent of {windows} windows"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak = pool.apply(peak_mebibytes, (function, windows))
    benchmark.extra_info["peak_memory_MiB"] = round(peak)
    arguments = (function, embeddings(windows))
    benchmark.pedantic(value_and_gradient, arguments, rounds=rounds, warmup_rounds=1)
    few = embeddings(32)
    for expected, got in zip(
        value_and_gradient(nt_xent, few), value_and_gradient(function, few), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)

"""NT-Xent, value and gradient: two views of a batch of windows x 128, in time and peak memory.

`tsclr.objectives.nt_xent` holds a block of similarities at a time and makes it again for the
gradient. Beside it, in the same group, stands the same loss as popular repositories write it (see
`benchmarks.naive`): the similarity of all pairs, by broadcasting cosine_similarity or by a matrix
product, then boolean selection of the negatives. Broadcasting makes tensors of (2N, 2N, D): about
3 GiB at 512 windows, and more than 10 GiB at 1,024, where it is not run. `extra_info` holds the
peak memory above that of the inputs, in MiB, measured in a fresh process; with 1,024 windows ours
has to stay below 50.
"""

import multiprocessing

import pytest
import torch

from benchmarks.naive import broadcast_nt_xent, selecting_nt_xent
from benchmarks.peak import peak_mebibytes
from tsclr.objectives import nt_xent

WIDTH, TEMPERATURE, LARGEST_MIB = 128, 0.2, 50


def embeddings(windows):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, windows, WIDTH, generator=generator, requires_grad=True)


def value_and_gradient(function, z):
    loss = function(z, TEMPERATURE)
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def peak_of(function, windows):
    """Memory of value and gradient in this process, after a small warm-up."""
    torch.set_num_threads(1)
    z = embeddings(windows)
    value_and_gradient(function, z[:, :16])
    return peak_mebibytes(lambda: value_and_gradient(function, z))


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
        peak = pool.apply(peak_of, (function, windows))
    benchmark.extra_info["peak_memory_MiB"] = round(peak)
    assert function is not nt_xent or peak < LARGEST_MIB
    arguments = (function, embeddings(windows))
    benchmark.pedantic(value_and_gradient, arguments, rounds=rounds, warmup_rounds=1)
    few = embeddings(32)
    for expected, got in zip(
        value_and_gradient(nt_xent, few), value_and_gradient(function, few), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)

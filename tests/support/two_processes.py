"""Two steps of every objective, alone and shared between two processes, for tests to compare.

``python -m tests.support.two_processes FOLDER`` runs what torchrun starts;
each process saves what it got.
"""

import copy
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from tests.support.objectives import KINDS, batch, learner, weights_of
from tsclr.distributed import own_rows, rank, with_synchronised_norms, world_size
from tsclr.objectives.batch import Batch

N, STEPS = 12, 3


def run(name: str) -> dict[str, Any]:
    """Losses, gradients of the first step, and weights and buffers after some steps."""
    encoder, objective = learner(KINDS[name])
    if world_size() > 1:
        encoder = with_synchronised_norms(encoder, "cpu")
        objective = with_synchronised_norms(objective, "cpu")
    weights = weights_of(encoder, objective)
    losses, first = [], {}
    for step in range(STEPS):
        terms = objective(encoder, _share(batch(max(2, objective.n_views), N, seed=step)))
        gradients = torch.autograd.grad(
            sum(terms.values()), list(weights.values()), allow_unused=True
        )
        with torch.no_grad():
            for (key, weight), own in zip(weights.items(), gradients, strict=True):
                gradient = _mean(torch.zeros_like(weight) if own is None else own)
                first.setdefault(key, gradient)
                weight -= 0.02 * gradient / gradient.norm().clamp_min(1e-3)
        objective.after_step(encoder)
        losses.append(_mean(torch.stack(list(terms.values())).detach()))
    state = {**encoder.state_dict(), **objective.state_dict()}
    return {"losses": losses, "gradients": first, "state": copy.deepcopy(state)}


def _share(given: Batch) -> Batch:
    """The rows of this process."""
    n_rows = len(given) // world_size()
    return given.rows(slice(rank() * n_rows, (rank() + 1) * n_rows))


def _mean(value: torch.Tensor) -> torch.Tensor:
    """Average over the processes, as DistributedDataParallel takes it."""
    value = value.detach().clone()
    if world_size() > 1:
        distributed.all_reduce(value)
    return value / world_size()


def in_two_processes(module: str, *words: str, timeout: float = 300) -> None:
    """Run a module in two processes over Gloo, as torchrun would start them.

    Each has its variables and no launcher above it, which takes seconds to start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    common |= {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env=os.environ | common | {"RANK": number, "LOCAL_RANK": number},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in ("0", "1")
    ]
    try:
        errors = [process.communicate(timeout=timeout)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, error in zip(processes, errors, strict=True):
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, module, stderr=error)


if __name__ == "__main__":
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    found = {name: run(name) for name in sys.argv[2:] or KINDS}
    torch.save(found, Path(sys.argv[1]) / f"{rank()}.pt")
    own = own_rows(torch.arange(4))
    assert own.tolist() == [[0, 1], [2, 3]][rank()]
    distributed.destroy_process_group()

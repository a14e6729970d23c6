"""Pretraining in processes of its own that are killed at random moments, for tests."""

import os
import random
import socket
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

SPAWN = get_context("forkserver")
"""A server that has imported tsclr makes processes in milliseconds, and none of its threads."""
SPAWN.set_forkserver_preload(
    ["tests.support.training", "sklearn.discriminant_analysis", "sklearn.metrics", "torch._dynamo"]
)  # torch imports the last one, for seconds, when an optimiser is made


def fail_first(variables: dict[str, str], out: Path) -> None:
    """Process 0 fails alone; each writes what it was told."""
    os.environ.update(variables)
    from tsclr.distributed import joined, on_rank_zero, rank

    def fail() -> None:
        raise OSError(28, f"no space left in process {rank()}")

    with joined("cpu"):
        try:
            on_rank_zero(fail)
        except OSError as error:
            (out / str(rank())).write_text(f"{error.errno} {error}")


def work(variables: dict[str, str], store: Path, out: Path, settings: dict[str, Any]) -> None:
    """What one process does: begin the run, or go on with it."""
    os.environ.update(variables)
    import torch

    from tests.support.training import tiny_pretrain

    torch.set_num_threads(1)
    tiny_pretrain(store, out, resume=True, **settings)


def begin(n_processes: int, store: Path, out: Path, settings: dict[str, Any]) -> list[Any]:
    """Start a run of one process, or of several as torchrun would."""
    return start(n_processes, work, store, out, settings)


def start(n_processes: int, target: Any, *arguments: Any) -> list[Any]:
    """Start a function in one process, or in several as torchrun would."""
    common: dict[str, str] = {}
    if n_processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        common = {"WORLD_SIZE": str(n_processes), "MASTER_ADDR": "127.0.0.1"}
        common["MASTER_PORT"] = str(port)
    processes = [
        SPAWN.Process(target=target, args=(common | {"RANK": str(number)}, *arguments))
        for number in range(n_processes)
    ]
    for process in processes:
        process.start()
    return processes


def finish(processes: list[Any], timeout: float = 300) -> None:
    """Wait for the end of a run that nobody kills."""
    for process in processes:
        process.join(timeout)
        if process.exitcode != 0:
            raise RuntimeError(f"a process ended with {process.exitcode}")


def kill_often(
    n_kills: int, n_processes: int, store: Path, out: Path, settings: dict[str, Any], seed: int
) -> None:
    """Kill a run `n_kills` times at random moments after it got further, then let it end."""
    moments = random.Random(seed)
    for _ in range(n_kills):
        before = _stamp(out)
        processes = begin(n_processes, store, out, settings)
        while _stamp(out) == before and all(process.is_alive() for process in processes):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.2))
        if not any(process.is_alive() for process in processes):
            raise RuntimeError("the run ended before it was killed often enough: make it longer")
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
    finish(begin(n_processes, store, out, settings))


def _stamp(out: Path) -> int:
    """When the checkpoint was last replaced."""
    file = out / "checkpoint.safetensors"
    return file.stat().st_mtime_ns if file.exists() else 0

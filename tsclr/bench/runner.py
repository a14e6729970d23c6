"""A suite in, a folder of results out: units in processes, each cell kept as it is done.

A results folder holds::

    results.json    the suite, a row for each line of the table, comparisons, certificates
    table.csv       the same rows without anything that differs from run to run
    provenance/     a Parquet file for each unit: which samples were used for what
    report.html     all of it to look at
    cells/          a file for each cell, named by what it depends on; runs/ and data/ beside it
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tsclr.bench.page import write_page
from tsclr.bench.results import write
from tsclr.bench.suite import Suite, Unit
from tsclr.files import claimed
from tsclr.splits import LeakError

log = logging.getLogger(__name__)


def bench(suite: Suite, out: Path, jobs: int = 1) -> Path:
    """Score every cell of a suite; run again after an interruption, it goes on.

    Every process computes on one thread, so that results do not depend on `jobs`.

    Parameters
    ----------
    suite : Suite
        What to judge.
    out : Path
        Folder of the results.
    jobs : int
        Processes.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    LeakError
        If a unit has leaked under a protocol that does not say so; the results are written first.
    ValueError
        If a unit fails: the others are finished first, and all failures are told.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}, it must be at least 1")
    with claimed(out):
        units = list(suite.units(out))
        paths = [cell.path for unit in units for cell in unit.cells]
        log.info("%d cells in %d units, %d at a time", len(paths), len(units), jobs)
        failures = run(units, paths, jobs)
        if failures:
            raise ValueError("; ".join(failures))
        results = write(suite, units, out)
        write_page(results, out / "report.html")
    for unit in results["units"]:
        broken = [name for name, holds in unit["certificate"]["checks"].items() if not holds]
        if broken and not unit["leaky"]:
            raise LeakError(
                f"{unit['dataset']}, {unit['fold']}, {unit['method']} has leaked "
                f"({', '.join(broken)}): do not trust its scores; `tsclr bench audit {out}` tells "
                "where"
            )
    return out


def run(units: Sequence[Unit], paths: Sequence[Path], jobs: int) -> list[str]:
    """Run units in processes; what went wrong, in words.

    Parameters
    ----------
    units : sequence of Unit
        All of a suite.
    paths : sequence of Path
        Of their cells: how many exist is how far the suite is.
    jobs : int
        Processes.
    """
    console = Console(stderr=True)
    columns = TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ProcessPoolExecutor(jobs, get_context("spawn"), begin, (os.getpid(),)) as pool,
    ):
        bar = progress.add_task("", total=len(paths))
        names = {pool.submit(unit.run): unit.name for unit in units}
        waiting: set[Future[None]] = set(names)
        while waiting:
            _, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            progress.update(bar, completed=sum(path.exists() for path in paths))
    return [f"{name}: {error}" for future, name in names.items() if (error := future.exception())]


def begin(parent: int) -> None:
    """Make a process ready: one thread, and an end where the process that began it is gone.

    Numba, when it starts, gives torch as many threads as it has itself; so it gets one as well.

    Parameters
    ----------
    parent : int
        Number of that process.
    """
    torch.set_num_threads(1)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

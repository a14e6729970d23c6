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
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits

from tsclr.bench.fitted import run_unit
from tsclr.bench.outcomes import Outcome, attempt, outcome, refuse, remarks
from tsclr.bench.page import write_page
from tsclr.bench.results import write_results
from tsclr.bench.suite import Suite
from tsclr.bench.unit import Unit
from tsclr.data.splits import LeakError
from tsclr.files import exclusive_lock

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
        If the error of a unit that fails is one.
    NotADirectoryError
        If `out` is a file, or is to be in one.
    ValueError
        If a unit fails: the others are finished first, all failures are told, and the cause of this
        error holds the traceback of the first.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}, it must be at least 1")
    for place in (out, *out.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(
                f"{place} is no folder: name one for the results, or a new one"
            )
    with exclusive_lock(out):
        units = list(suite.units(out))
        paths = [cell.path for unit in units for cell in unit.cells]
        log.info("%d cells in %d units, %d at a time", len(paths), len(units), jobs)
        outcomes = run(units, paths, jobs)
        for line in remarks(outcomes):
            log.warning("%s", line)
        refuse(outcomes)
        results = write_results(suite, units, out)
        write_page(results, out / "report.html")
    for unit in results["units"]:
        checks = unit["certificate"]["checks"] if unit["certificate"] else {}
        broken = [name for name, holds in checks.items() if not holds]
        if broken and not unit["leaky"]:
            raise LeakError(
                f"{unit['dataset']}, {unit['fold']}, {unit['method']} has leaked "
                f"({', '.join(broken)}): do not trust its scores; `tsclr bench audit {out}` tells "
                "where"
            )
    return out


def run(units: Sequence[Unit], paths: Sequence[Path], jobs: int) -> dict[str, Outcome]:
    """Run units in processes; how each went, by its name.

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
        workers(jobs) as pool,
    ):
        bar = progress.add_task("", total=len(paths))
        with held_back(signal.SIGINT):  # a process begins when there is a unit for it
            names = {pool.submit(attempt, partial(run_unit, unit)): unit.name for unit in units}
        waiting: set[Future[Outcome]] = set(names)
        while waiting:
            _, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            progress.update(bar, completed=sum(path.exists() for path in paths))
    return {name: outcome(future) for future, name in names.items()}


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end at once where an error or Ctrl-C ends the block.

    Cells that are done stay: each takes its place as a whole.

    Parameters
    ----------
    jobs : int
        How many, at most.
    """
    others = set(active_children())
    with ProcessPoolExecutor(jobs, get_context("spawn"), begin, (os.getpid(),)) as pool:
        try:
            yield pool
        except BaseException:
            for process in set(active_children()) - others:
                process.kill()
            raise


@contextmanager
def held_back(number: signal.Signals) -> Iterator[None]:
    """Let a signal wait until the block has ended, for good in processes that begin in it.

    Parameters
    ----------
    number : signal.Signals
        Which.

    Examples
    --------
    >>> with held_back(signal.SIGUSR1):
    ...     signal.raise_signal(signal.SIGUSR1)
    ...     signal.sigpending() == {signal.SIGUSR1}, signal.sigwait([signal.SIGUSR1]).name
    (True, 'SIGUSR1')
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(parent: int) -> None:
    """Make a process ready: one thread, deaf to Ctrl-C, gone when the one that began it is.

    Numba, when it starts, gives torch as many threads as it has itself; so it gets one as well, and
    so do the libraries behind NumPy, SciPy and scikit-learn. A terminal sends Ctrl-C to all
    processes, of which the first alone answers and ends the others.

    Parameters
    ----------
    parent : int
        Number of that process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threadpool_limits(1)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

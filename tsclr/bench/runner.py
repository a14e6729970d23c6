"""A suite in, a folder of results out: units run in processes, each cell is kept once it is done.

A results folder holds::

    results.json    the suite, a row for each line of the table, comparisons, certificates
    table.csv       the same rows without anything that differs from run to run
    provenance/     for each unit, which samples were used for what; counts and sketches of all
    report.html     all of it as a page
    cells/          a file for each cell, named by what it depends on
    runs/, data/    pretraining runs and datasets that cells share
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
from tsclr.bench.outcomes import Outcome, attempt, outcome, raise_failures, warning_lines
from tsclr.bench.page import write_page
from tsclr.bench.results import write_results
from tsclr.bench.suite import Suite
from tsclr.bench.unit import Unit
from tsclr.data.splits import LeakError
from tsclr.files import exclusive_lock

log = logging.getLogger(__name__)


def bench(suite: Suite, out: Path, jobs: int = 1) -> Path:
    """Score every cell of a suite; after an interruption, call it again to continue.

    Every process computes on one thread, so that results do not depend on `jobs`.

    Parameters
    ----------
    suite : Suite
        Methods, datasets and protocols.
    out : Path
        Folder for the results.
    jobs : int
        Number of processes.

    Returns
    -------
    Path
        The folder with the results.

    Raises
    ------
    LeakError
        If a unit has leaked under a protocol that is not declared leaky (the results are written
        first), or if a unit fails with this error.
    NotADirectoryError
        If `out` or one of its parents is a file.
    ValueError
        If `jobs` is below 1, or a unit fails. The other units are finished first; the message lists
        all failures, and the cause holds the traceback of the first.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}, it must be at least 1")
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(
                f"{path} is not a folder: name a folder for the results, or a new one"
            )
    with exclusive_lock(out):
        units = list(suite.units(out))
        paths = [cell.path for unit in units for cell in unit.cells]
        log.info("%d cells in %d units, %d at a time", len(paths), len(units), jobs)
        outcomes = run(units, paths, jobs)
        for line in warning_lines(outcomes):
            log.warning("%s", line)
        raise_failures(outcomes)
        results = write_results(suite, units, out)
        write_page(results, out / "report.html")
    for unit in results["units"]:
        checks = unit["certificate"]["checks"] if unit["certificate"] else {}
        broken = [name for name, holds in checks.items() if not holds]
        if broken and not unit["leaky"]:
            raise LeakError(
                f"{unit['dataset']}, {unit['fold']}, {unit['method']} has leaked "
                f"({', '.join(broken)}): do not trust its scores; `tsclr bench audit {out}` shows "
                "where"
            )
    return out


def run(units: Sequence[Unit], paths: Sequence[Path], jobs: int) -> dict[str, Outcome]:
    """Run the units of a suite in processes; the outcome of each by its name.

    The progress bar counts the `paths` of cells that exist.
    """
    console = Console(stderr=True)
    columns = TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        workers(jobs) as pool,
    ):
        bar = progress.add_task("", total=len(paths))
        # Submitting a unit starts a process, which would die of a Ctrl-C before it can ignore it.
        with blocked(signal.SIGINT):
            names = {pool.submit(attempt, partial(run_unit, unit)): unit.name for unit in units}
        waiting: set[Future[Outcome]] = set(names)
        while waiting:
            # A unit writes many cells before it ends, so the bar looks at the disk once a second.
            _, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            progress.update(bar, completed=sum(path.exists() for path in paths))
    return {name: outcome(future) for future, name in names.items()}


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """At most `jobs` processes, which are killed when an error or Ctrl-C ends the block.

    Killing is safe: cells are written atomically, so one is complete or not there.
    """
    others = set(active_children())  # children of the caller are left alone
    # Not forked: a fork copies locks that threads of torch or BLAS may hold at that moment.
    with ProcessPoolExecutor(jobs, get_context("spawn"), begin, (os.getpid(),)) as pool:
        try:
            yield pool
        except BaseException:
            for process in set(active_children()) - others:
                process.kill()
            raise


@contextmanager
def blocked(number: signal.Signals) -> Iterator[None]:
    """Delay a signal to the end of the block; processes started within never receive it.

    Examples
    --------
    >>> with blocked(signal.SIGUSR1):
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
    """Prepare a process: one thread, no reaction to Ctrl-C, and an end when its parent ends."""
    # A terminal sends Ctrl-C to all processes. The parent answers and kills the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The processes share the cores, so more threads would only get in each other's way.
    torch.set_num_threads(1)
    threadpool_limits(1)
    # When Numba starts, it sets the threads of torch to its own number.
    os.environ["NUMBA_NUM_THREADS"] = "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    def exit_after_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    # Nobody tells a process that its parent was killed: it would finish its unit, perhaps hours of
    # pretraining, beside the suite that continues.
    threading.Thread(target=exit_after_parent, daemon=True).start()

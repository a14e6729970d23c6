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
from collections import deque
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tsclr.bench.cache import read
from tsclr.bench.fitted import run_unit
from tsclr.bench.outcomes import Outcome, as_text, raise_failures, warning_lines
from tsclr.bench.page import write_page
from tsclr.bench.processes import UNPICKLED, Job, server
from tsclr.bench.results import write_results
from tsclr.bench.suite import Suite
from tsclr.bench.unit import Unit
from tsclr.data.splits import LeakError
from tsclr.files import exclusive_lock

log = logging.getLogger(__name__)


def bench(suite: Suite, out: Path, jobs: int = 1) -> Path:
    """Score every cell of a suite; after an interruption, call it again to continue.

    Every unit has a process of its own, so that no method carries anything from fold to fold. Each
    computes on one thread, so that results do not depend on `jobs`.

    Parameters
    ----------
    suite : Suite
        Methods, datasets and protocols.
    out : Path
        Folder for the results.
    jobs : int
        Number of processes at a time.

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
        with server():  # gets ready while the datasets are read
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
    """Run each unit in a process of its own, `jobs` at a time; the outcome of each by its name.

    The progress bar counts the `paths` of cells that exist. An error or Ctrl-C kills the processes.
    """
    console = Console(stderr=True)
    columns = TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    outcomes = {unit.name: Outcome() for unit in units}
    waiting = deque(filter(is_unfinished, units))
    running: dict[str, Job] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(paths))
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    unit = waiting.popleft()
                    try:
                        running[unit.name] = Job(partial(run_unit, unit))
                    except UNPICKLED as error:
                        outcomes[unit.name] = Outcome(as_text(error))
                # A unit writes many cells before it ends, so the bar looks at the disk each second.
                ready = wait([job.answers for job in running.values()], timeout=1)
                for name in [name for name, job in running.items() if job.answers in ready]:
                    outcomes[name] = running.pop(name).outcome()
                progress.update(bar, completed=sum(path.exists() for path in paths))
        except BaseException:
            for job in running.values():
                job.kill()
            raise
    return outcomes


def is_unfinished(unit: Unit) -> bool:
    """Whether a cell of a unit is missing; one that is damaged is removed, and reported once."""
    missing = [cell.path for cell in unit.cells if read(cell.path) is None]
    for path in missing:
        path.unlink(missing_ok=True)
    return bool(missing)

"""Functions that run in a process of their own, which ends with them.

A process that has done nothing else carries nothing over: no global of a module, no attribute of a
class, no label. On Linux they are forked from one clean server that has imported tsclr but never
computed anything, so that none of them imports PyTorch again::

    bench ──starts──▶ server, imports tsclr ──forks──▶ unit 1
                                            ──forks──▶ unit 2
"""

import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from tsclr.bench.outcomes import Outcome, as_text, attempt

# Never forked from the caller: a fork copies locks that threads of torch or BLAS hold at that
# moment. The server has no such threads. Windows has no fork, and libraries of macOS forbid it.
CONTEXT = get_context("forkserver" if sys.platform == "linux" else "spawn")
PRELOADED = ["tsclr.bench.fitted"]
UNPICKLED = (pickle.PicklingError, AttributeError, TypeError)
"""What `pickle` raises for an object that it does not take, such as a lambda."""
PATIENCE = 5
"""Seconds that a process may take to end after it has answered."""


class Job:
    """A call of a function without arguments, in a process of its own that has begun.

    Parameters
    ----------
    task : callable
        What is called there; it and what it returns must be of the kind that `pickle` takes.

    Raises
    ------
    PicklingError, AttributeError, TypeError
        If `pickle` does not take `task`.
    """

    def __init__(self, task: Callable[[], Any]) -> None:
        call = pickle.dumps(task)  # loaded within `attempt`, so that a failing import is reported
        self.answers, sender = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_work, args=(sender, call, dict(os.environ)))
        # A process that is started afresh would die of a Ctrl-C before it can ignore it.
        with server(), nullcontext() if _has_server() else blocked(signal.SIGINT):
            self._process.start()
        sender.close()  # so that the end of the process ends the pipe

    def outcome(self) -> Outcome:
        """Wait for the answer; if the process ends without one, the outcome says how it ended."""
        try:
            answer = self.answers.recv()
        except (EOFError, OSError):
            self._process.join(PATIENCE)
            answer = Outcome(as_text(ChildProcessError(_ending(self._process.exitcode))))
        self._process.join(PATIENCE)
        self.kill()
        return answer

    def kill(self) -> None:
        """End the process at once; results are written atomically, so none is left half done."""
        self._process.kill()
        self._process.join()
        self.answers.close()


@contextmanager
def server() -> Iterator[None]:
    """Start the server where there is one; it imports tsclr while the block does something else.

    If the block fails it is killed, since it would go on for seconds before it notices.
    """
    if not _has_server():
        yield
        return
    from multiprocessing import forkserver, resource_tracker  # absent on Windows

    CONTEXT.set_forkserver_preload(PRELOADED)
    # It must import this tsclr, wherever the caller has found it. Threads of BLAS, which would
    # start on import, do not survive a fork.
    found = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    variables = {"PYTHONPATH": found, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    resource_tracker.ensure_running()  # when this starts within the block, it unblocks SIGINT
    # The server passes its blocked signals on to all that it forks.
    with blocked(signal.SIGINT), environment(**variables):
        forkserver.ensure_running()
    try:
        yield
    except BaseException:
        # There is no public way to its number; without it the server ends by itself, but later.
        number = getattr(forkserver._forkserver, "_forkserver_pid", None)
        if number is not None:
            os.kill(number, signal.SIGKILL)
        raise


def limit_threads() -> None:
    """Let this process compute on one thread."""
    # The processes share the cores, so more threads would only get in each other's way.
    torch.set_num_threads(1)
    threadpool_limits(1)
    # When Numba starts, it sets the threads of torch to its own number.
    os.environ["NUMBA_NUM_THREADS"] = "1"


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
    if not hasattr(signal, "pthread_sigmask"):  # Windows blocks no signals
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for the length of the block.

    Examples
    --------
    >>> with environment(TSCLR_EXAMPLE="1"):
    ...     os.environ["TSCLR_EXAMPLE"]
    '1'
    >>> "TSCLR_EXAMPLE" in os.environ
    False
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _has_server() -> bool:
    return CONTEXT.get_start_method() == "forkserver"


def _work(sender: Connection, call: bytes, variables: dict[str, str]) -> None:
    """What a process does: it calls the task and sends the outcome."""
    os.environ.clear()  # the server has others, of the moment when it was started
    os.environ.update(variables)
    # A terminal sends Ctrl-C to all processes. The parent answers and kills the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Nobody tells a process that its parent was killed: it would finish its unit, perhaps hours of
    # pretraining, while the suite is being continued by others.
    threading.Thread(target=_exit_after_parent, daemon=True).start()
    sender.send(attempt(partial(_load_and_call, call)))


def _load_and_call(call: bytes) -> Any:
    return pickle.loads(call)()  # noqa: S301, bytes of the parent process


def _exit_after_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _ending(code: int | None) -> str:
    """How a process ended that gave no answer."""
    if code is not None and code < 0:
        return f"the process was ended by {signal.Signals(-code).name}; is there enough memory?"
    return f"the process ended with exit code {code} before it was done"

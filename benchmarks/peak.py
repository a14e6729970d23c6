"""A call in, the memory that it took out."""

import threading
from collections.abc import Callable
from typing import Any

import psutil


def peak_mebibytes(function: Callable[[], Any]) -> float:
    """Largest resident size during a call, sampled every millisecond, above that before it.

    Parameters
    ----------
    function : callable
        Called once. In a process that has freed memory before, it may find some of it again, so
        take a fresh one.
    """
    process, done = psutil.Process(), threading.Event()
    sizes = [process.memory_info().rss]

    def watch() -> None:
        while not done.wait(0.001):
            sizes.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return (max(sizes) - sizes[0]) / 2**20

"""Run units, and print as JSON which modules they executed and which their cells depend on.

``python -m tests.support.executed STORE RUN OUT``, in a process of its own: what another test has
computed and kept in memory would not be executed again.
"""

import json
import sys
import threading
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import FrameType

import tsclr
from tests.support.suites import CONFIG, suite_on
from tsclr.bench import methods
from tsclr.bench.fitted import run_unit
from tsclr.bench.imports import ImportGraph
from tsclr.bench.methods import Method
from tsclr.bench.protocols import GivenSubjects, RandomWindows
from tsclr.bench.unit import Unit
from tsclr.evaluate.heads import FeatureHead, find_head, registered_heads


class RecordingGraph(ImportGraph):
    """Remembers whatever a digest was made of."""

    hashed: set[str]

    def digest(self, modules: Iterable[str]) -> str:
        names = list(modules)
        self.hashed.update(self.closure(names))
        return super().digest(names)


def methods_of(run: Path) -> dict[str, Method]:
    """Methods that between them use every kind of class, and every head that is quickly fitted."""
    heads = [name for name in registered_heads() if isinstance(find_head(name), FeatureHead)]
    return {
        "pretrained": methods.Pretrained(CONFIG, epochs=1, whiten=True, heads=["linear"]),
        "heads": methods.RandomInit(CONFIG, heads=heads),
        "hand features": methods.HandFeatures(),
        "supervised": methods.Supervised(CONFIG, windows=512),
        "run": methods.FromRun(str(run)),
        "untrained run": methods.RandomInitFromRun(str(run)),
        "leaky": methods.HandFeatures(whiten=True),
    }


def unit_of(name: str, method: Method, store: Path, out: Path) -> Unit:
    """The first unit of a suite of one method."""
    protocol = RandomWindows() if name == "leaky" else GivenSubjects(["04"])
    suite = suite_on(
        store, methods={name: method}, budgets=["1"], segmentation=1.28, protocols=[protocol]
    )
    return next(suite.units(out))


def executed_by(unit: Unit) -> set[str]:
    """Modules of the package of which running a unit calls a function."""
    called: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add(frame.f_globals.get("__name__", ""))

    threading.setprofile(note)
    sys.setprofile(note)
    run_unit(unit)
    sys.setprofile(None)
    return {name for name in called if name.partition(".")[0] == "tsclr"}


def main(store: Path, run: Path, out: Path) -> None:
    """Print the names of the modules by method."""
    for module in walk_packages(tsclr.__path__, "tsclr."):
        if module.name != "tsclr.__main__":
            import_module(module.name)  # so that no import is taken for a call
    answers = {}
    for name, method in methods_of(run).items():
        graph = RecordingGraph(Path(tsclr.__file__).parent)
        graph.hashed = set()
        for user in ("cache", "suite"):
            import_module(f"tsclr.bench.{user}").import_graph = cache(lambda graph=graph: graph)
        unit = unit_of(name, method, store, out)
        closure = {name for _ in unit.cells for name in graph.hashed}
        answers[name] = {"executed": sorted(executed_by(unit)), "closure": sorted(closure)}
    print(json.dumps(answers))  # noqa: T201


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

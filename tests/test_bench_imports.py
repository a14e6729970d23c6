"""The code that a cell depends on: which edits change it, and that nothing is missing."""

import functools
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

import tsclr
from tests.support.suites import CONFIG, suite_on
from tsclr import datasets
from tsclr.bench import cache
from tsclr.bench import suite as bench_suite
from tsclr.bench.cache import classes_named, source_digest
from tsclr.bench.imports import ImportGraph, Source
from tsclr.bench.methods import HandFeatures, Method, Pretrained, RandomInit, Supervised
from tsclr.bench.methods.pretrained import RUNS
from tsclr.bench.suite import Suite
from tsclr.data.store import Store

PACKAGE = Path(tsclr.__file__).parent
ROOT = PACKAGE.parent


def graph_of(folder: Path, files: dict[str, str]) -> ImportGraph:
    """A package named ``pack`` of these files."""
    for name, text in files.items():
        file = folder / "pack" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    return ImportGraph(folder / "pack")


PLUGINS = {
    "__init__.py": "",
    "views/__init__.py": "from pack.views.base import View as View\nfrom pack.views.flip import *\n"
    "from pack.views.turn import *\n",
    "views/base.py": "class View: ...\n",
    "views/flip.py": "__all__ = ['Flip']\nfrom pack.views.base import View\nclass Flip(View): ...",
    "views/turn.py": "from pack.views.base import View\nclass Turn(View): ...\n",
}


@pytest.mark.parametrize(
    ("code", "reached"),
    [
        ("import pack.views.flip", ["views.base", "views.flip"]),
        # Without an __all__, turn passes on the View that it imports.
        ("from pack.views import View", ["views.base", "views.turn"]),
        ("from pack.views import Flip", ["views.base", "views.flip"]),
        ("from pack.views import Turn as T", ["views.base", "views.turn"]),
        ("from .views import Turn", ["views.base", "views.turn"]),
        ("def later():\n    from pack.views import Turn", ["views.base", "views.turn"]),
        ("try:\n    import x\nexcept E:\n    from pack.views.base import View", ["views.base"]),
        ("from pack import views\nviews.Flip()", ["views.base", "views.flip"]),
        ("import pack.views as v\nv.turn.Turn()", ["views.base", "views.turn"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack import views", []),
        ("import numpy, json.decoder", []),
    ],
)
def test_an_import_leads_to_the_module_that_defines_the_name(
    code: str, reached: list[str], tmp_path: Path
) -> None:
    graph = graph_of(tmp_path, PLUGINS | {"code.py": code})
    assert graph.closure(["pack.code"]) == ["pack.code", *(f"pack.{name}" for name in reached)]


def test_every_import_that_may_bind_a_name_counts(tmp_path: Path) -> None:
    either = "try:\n    from pack.one import f\nexcept E:\n    from pack.two import f\n"
    files = {"__init__.py": "", "lib/__init__.py": either, "one.py": "", "two.py": ""}
    graph = graph_of(tmp_path, files | {"code.py": "from pack.lib import f"})
    assert graph.closure(["pack.code"]) == ["pack.code", "pack.one", "pack.two"]


@pytest.mark.parametrize(
    "code",
    [
        "from pack.views import *",
        "from pack.views import Unknown",
        "from pack import views\nlookup(views, name)",
        "import pack.views\npack.views.Flip()",
    ],
)
def test_where_the_name_is_open_the_whole_package_counts(code: str, tmp_path: Path) -> None:
    graph = graph_of(tmp_path, PLUGINS | {"code.py": code})
    modules = {"pack.views", "pack.views.base", "pack.views.flip", "pack.views.turn"}
    assert set(graph.closure(["pack.code"])) == {"pack.code", *modules}


def test_what_an_init_does_itself_counts_with_all_that_it_imports(tmp_path: Path) -> None:
    files = {"views/__init__.py": PLUGINS["views/__init__.py"] + "load = Flip.load\n"}
    graph = graph_of(tmp_path, PLUGINS | files | {"code.py": "from pack.views import load"})
    assert "pack.views.turn" in graph.closure(["pack.code"])
    files = {"views/__init__.py": "for name in names:\n    import_module(name)\n"}
    graph = graph_of(
        tmp_path / "acting", PLUGINS | files | {"code.py": "from pack.views.base import View"}
    )
    assert "pack.views" in graph.closure(["pack.code"])


def test_a_lazy_package_says_in_its_stub_where_names_are_from(tmp_path: Path) -> None:
    lazy = "import lazy_loader\n__getattr__ = lazy_loader.attach_stub(__name__, __file__)\n"
    files = {
        "lazy/__init__.py": lazy,
        "lazy/__init__.pyi": "from .one import One\nfrom .two import Two\n",
        "lazy/one.py": "",
        "lazy/two.py": "",
    }
    graph = graph_of(tmp_path, PLUGINS | files | {"code.py": "from pack.lazy import Two"})
    assert graph.closure(["pack.code"]) == ["pack.code", "pack.lazy.two"]
    graph = graph_of(tmp_path, {"code.py": "from pack.lazy import *"})
    assert {"pack.lazy.one", "pack.lazy.two"} < set(graph.closure(["pack.code"]))


def test_modules_that_import_each_other_end(tmp_path: Path) -> None:
    files = {"one.py": "from pack import two", "two.py": "def f():\n    from pack.one import x"}
    assert graph_of(tmp_path, files).closure(["pack.two"]) == ["pack.one", "pack.two"]


def test_own_code_counts_with_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_view.py").write_text("import own_helper\nfrom tsclr.augment import Scale\n")
    (tmp_path / "own_helper.py").write_text("from tsclr import signals\nsignals.resample\n")
    graph = ImportGraph(PACKAGE)
    reached = set(graph.closure(["own_view"]))
    assert {"own_view", "own_helper", "tsclr.augment.amplitude"} <= reached
    assert "tsclr.signals.resampling" in reached
    before = graph.digest(["own_view"])
    (tmp_path / "own_helper.py").write_text("")
    assert ImportGraph(PACKAGE).digest(["own_view"]) != before


# The cells of a suite


METHODS: dict[str, Method] = {
    "NT-Xent": Pretrained(CONFIG, epochs=1),
    "random-init": RandomInit(CONFIG),
    "hand features": HandFeatures(heads=["linear"]),
    "supervised": Supervised(CONFIG),
}


NAMES = ["contrastive", "momentum", "dense", "memory", "local"]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to edit."""
    folder = tmp_path_factory.mktemp("copy") / "tsclr"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def edit(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes cells believe that a file of the package was changed."""
    texts: dict[Path, str] = {}

    def change(name: str) -> None:
        file = copied / name
        texts.setdefault(file, file.read_text())
        file.write_text(f"{texts[file]}# changed\n")
        graph = ImportGraph(copied)
        edited = functools.cache(lambda: graph)
        monkeypatch.setattr(cache, "import_graph", edited)
        monkeypatch.setattr(bench_suite, "import_graph", edited)

    yield change
    for file, text in texts.items():
        file.write_text(text)


def keys(suite: Suite, out: Path) -> dict[str, set[str]]:
    """Names of the cells of each method under each head."""
    names: dict[str, set[str]] = {}
    for unit in suite.units(out):
        for cell in unit.cells:
            names.setdefault(f"{unit.method_name}, {cell.head}", set()).add(cell.path.name)
    return names


def suite(store: Path) -> Suite:
    return suite_on(store, methods=METHODS, heads=["linear", "knn"], budgets=["1"])


@pytest.fixture(scope="module")
def before(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The cells as they are."""
    return keys(suite(tiny_store), tmp_path_factory.mktemp("before"))


HAND = {"hand features, linear", "hand features, embedding"}
KNN = {"NT-Xent, knn", "random-init, knn"}
PRETRAINED = {"NT-Xent, linear", "NT-Xent, knn", "NT-Xent, embedding"}
FROM_CONFIG = {
    *PRETRAINED,
    "random-init, linear",
    "random-init, knn",
    "random-init, embedding",
    "supervised, supervised",
}
EVERYTHING = FROM_CONFIG | HAND


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("readers/tabular/reader.py", set()),
        ("objectives/momentum.py", set()),
        ("objectives/contrastive.py", FROM_CONFIG),
        ("encoders/convolutional.py", FROM_CONFIG),
        ("encoders/transformer.py", set()),
        ("encoders/statistics.py", HAND),
        ("augment/orientation.py", FROM_CONFIG),
        ("augment/mixing.py", set()),
        ("pairs/sensors.py", set()),
        ("evaluate/heads/neighbours.py", KNN),
        ("evaluate/heads/propagation.py", set()),
        ("evaluate/task.py", EVERYTHING),
        ("evaluate/significance.py", set()),
        ("signals/units.py", set()),
        ("train/step.py", FROM_CONFIG),
        ("bench/methods/pretrained.py", PRETRAINED),
        ("evaluate/scratch.py", FROM_CONFIG - PRETRAINED),
        ("bench/protocols/subjects.py", EVERYTHING),
        ("bench/protocols/windows.py", set()),
        ("bench/results.py", set()),
        ("report/tables.py", set()),
        ("explore/advise.py", set()),
        ("cli/score.py", set()),
        ("datasets/hapt.py", set()),
        ("datasets/synthetic.py", set()),
        ("demo.py", set()),
    ],
)
def test_an_edit_changes_the_cells_that_depend_on_it(
    file: str,
    changed: set[str],
    edit: Callable[[str], None],
    before: dict[str, set[str]],
    tiny_store: Path,
    tmp_path: Path,
) -> None:
    edit(file)
    after = keys(suite(tiny_store), tmp_path)
    assert before.keys() == after.keys() == EVERYTHING
    assert {name for name in before if before[name].isdisjoint(after[name])} == changed
    assert {name for name in before if before[name] != after[name]} == changed


def test_own_code_that_was_edited_since_the_last_suite_counts(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_method.py"
    file.write_text("from tsclr.bench.methods import HandFeatures\nclass Own(HandFeatures): ...\n")
    own = suite_on(tiny_store, methods={"own": import_module("edited_method").Own()})
    first, again = (next(own.units(tmp_path / "out")).key for _ in range(2))
    file.write_text(file.read_text() + "# edited\n")
    assert first == again != next(own.units(tmp_path / "out")).key


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("datasets/synthetic.py", ["synthetic"]),
        ("datasets/simulation.py", ["synthetic"]),
        ("datasets/hapt.py", ["hapt"]),
        ("signals/resampling.py", ["synthetic", "hapt"]),
        ("readers/tabular/reader.py", []),
        ("train/step.py", []),
    ],
)
def test_a_dataset_is_read_again_if_the_code_that_reads_it_changes(
    file: str, changed: list[str], edit: Callable[[str], None]
) -> None:
    """Its cells are not: they depend on the samples that were read."""
    kinds = {name: datasets.find(name) for name in ("synthetic", "hapt")}
    old = {name: source_digest(Store, kind) for name, kind in kinds.items()}
    edit(file)
    assert [name for name in kinds if source_digest(Store, kinds[name]) != old[name]] == changed


def test_a_run_is_pretrained_again_if_what_trains_it_changes(edit: Callable[[str], None]) -> None:
    config = {"objective": {"class": "NTXent"}, "views": [{"class": "Jitter"}]}
    old = source_digest(RUNS, *classes_named(config))
    for file in ("evaluate/task.py", "objectives/momentum.py", "bench/unit.py"):
        edit(file)
        assert source_digest(RUNS, *classes_named(config)) == old
    edit("augment/amplitude.py")
    assert source_digest(RUNS, *classes_named(config)) != old


def test_a_class_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(ValueError, match="no class 'NTXnet': name it by its module, as in mine"):
        classes_named({"objective": {"class": "NTXnet"}})


def test_each_file_is_read_once_however_many_units_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph, n_parsed = ImportGraph(PACKAGE), Counter[str]()

    def counted(code: str, stub: str, package: str) -> Source:
        n_parsed[code] += code != ""
        return parse(code, stub, package)

    parse = Source.parse
    monkeypatch.setattr(Source, "parse", counted)
    digests = {
        graph.digest(["tsclr.bench.fitted", f"tsclr.objectives.{name}"]) for name in NAMES * 9
    }
    assert len(digests) == len(NAMES)
    assert set(n_parsed.values()) <= {0, 1}


def test_whatever_a_unit_executes_is_in_the_closure_of_its_cells(
    tiny_store: Path, tiny_run: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.support.executed", tiny_store, tiny_run, tmp_path]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name, modules in json.loads(run.stdout).items():
        assert "tsclr.bench.fitted" in modules["executed"]
        missing = set(modules["executed"]) - set(modules["closure"])
        assert not missing, f"{name} executes {', '.join(sorted(missing))}"


def test_importing_the_package_does_nothing_but_define_names() -> None:
    """What else importing a module did could reach a cell that does not depend on it."""
    acting = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if Source.parse(file.read_text(), "", "tsclr").acts
    }
    # The first imports plug-ins and counts wherever a head does, the second changes its own class.
    assert acting == {"evaluate/heads/__init__.py", "specs/text.py", "__main__.py"}

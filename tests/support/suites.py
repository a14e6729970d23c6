"""Small suites on simulated people, and their results."""

from pathlib import Path

from tsclr.bench.fitted import run_unit
from tsclr.bench.methods import HandFeatures, Method, Pretrained, RandomInit
from tsclr.bench.page import write_page
from tsclr.bench.protocols import GroupKFold
from tsclr.bench.results import write_results
from tsclr.bench.suite import Suite

CONFIG = str(Path(__file__).parents[2] / "configs" / "ntxent.yaml")
METHODS: dict[str, Method] = {
    "NT-Xent": Pretrained(CONFIG, epochs=1),
    "random-init": RandomInit(CONFIG),
    "hand features": HandFeatures(heads=["linear", "prototype"]),
}


def suite_on(store: Path, **changes: object) -> Suite:
    return Suite(
        **{
            "datasets": [str(store)],
            "methods": METHODS,
            "budgets": ["1", "all"],
            "draws": 2,
            "protocols": [GroupKFold(2)],
        }
        | changes
    )


def scored(suite: Suite, out: Path) -> dict:
    units = list(suite.units(out))
    for unit in units:
        run_unit(unit)
    results = write_results(suite, units, out)
    write_page(results, out / "report.html")
    return results

from dataclasses import replace

import numpy as np

from tests.support.recordings import recording
from tsclr.data.store import Store
from tsclr.datasets import Dataset
from tsclr.report.tables import about_datasets, about_store, by_budget
from tsclr.specs import subclasses


def test_repairs_are_added_up_and_doubt_about_units_stands_apart() -> None:
    logs = [
        replace(recording(100, subject=name), repairs={"gaps": 2, "unusual_gravity": 1})
        for name in ("1", "2")
    ]
    told = about_store(Store.build(logs))
    assert told.startswith("2 subjects, 2 stretches, 200 samples")
    assert "repairs: 4 gaps" in told
    assert "in 2 of the logs it does not show gravity" in told


def test_a_store_without_names_says_so() -> None:
    told = about_store(Store.build([recording(100, subject="")]))
    assert told.startswith("no subjects")
    assert "repairs: none" in told
    assert "look at" not in told


def test_a_store_with_logs_of_two_kinds_says_so() -> None:
    bare = replace(recording(100, subject=""), labels=None, classes=())
    labels, classes = np.zeros(100, np.int16), ("stairs, up",)
    full = replace(recording(100, subject="1"), labels=labels, classes=classes)
    described = about_store(Store.build([full, full, bare]))
    assert described.startswith("1 subjects, 3 stretches (1 of 3 stretches without a subject), ")
    assert 'classes: "stairs, up" (1 of 3 stretches without a label)\n' in described
    assert "without" not in about_store(Store.build([full, full]))


def test_every_dataset_has_a_row() -> None:
    table = about_datasets().set_index("name")
    assert len(table) == len(subclasses(Dataset))
    assert table["subjects"].astype(bool).all()
    assert table.loc[["hapt", "synthetic"], "subjects"].tolist() == [30, "as wished"]
    assert "51" in table.loc["wisdm", "subjects"]


def test_scores_stand_by_method_and_budget() -> None:
    row = {"method": "m", "head": "h", "macro_f1_mean": 0.5, "macro_f1_sd": 0.1}
    table = by_budget([row | {"budget": "1", "draws": 5}, row | {"budget": "all", "draws": 1}])
    assert table.to_dict("records") == [
        {"method": "m", "head": "h", "1": "0.500 ± 0.100", "all": "0.500"}
    ]

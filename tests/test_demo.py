import json
from pathlib import Path

import numpy as np
import pandas as pd

from tsclr.cli import main
from tsclr.data.store import Store
from tsclr.demo import demo


def test_demo_walks_the_whole_path_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    report = demo(tmp_path, n_subjects=5, minutes=4, epochs=1)
    page = report.read_text()
    assert "Score by label budget" in page
    assert "<svg" in page
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert {row["method"] for row in scores["rows"]} >= {"pretrained", "random-init"}
    vectors = pd.read_parquet(tmp_path / "vectors.parquet")
    assert vectors["subject"].nunique() == 5
    weights = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    assert demo(tmp_path, n_subjects=5, minutes=4, epochs=1) == report
    store = ["--rate", "50", "--out", str(tmp_path / "again")]
    assert (
        main(["ingest", str(tmp_path / "logs"), "--config", str(tmp_path / "logs.yaml"), *store])
        == 0
    )
    again, first = (Store.open(tmp_path / name) for name in ("again", "store"))
    np.testing.assert_array_equal(again.signal, first.signal)
    assert main(["pretrain", str(tmp_path / "run" / "config.yaml"), "--resume"]) == 0
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == weights

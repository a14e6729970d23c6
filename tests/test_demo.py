import json
from pathlib import Path

import pandas as pd

from tsclr.demo import demo


def test_demo_walks_the_whole_path_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    report = demo(tmp_path, n_subjects=5, minutes=6, epochs=1)
    page = report.read_text()
    assert "Score by label budget" in page
    assert "<svg" in page
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert {row["method"] for row in scores["results"]} >= {"pretrained", "random-init"}
    vectors = pd.read_parquet(tmp_path / "vectors.parquet")
    assert vectors["subject"].nunique() == 5
    weights = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    assert demo(tmp_path, n_subjects=5, minutes=6, epochs=1) == report
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == weights

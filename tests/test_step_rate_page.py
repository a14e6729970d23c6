"""The page of step rates tells what was measured, and what was not yet."""

from typing import Any

import pytest

from benchmarks import step_rate_page

FIGURES: dict[str, Any] = {
    "circumstances": {
        "date": "2026-01-02",
        "commit": "abc",
        "packages": {"torch": "2.13"},
        "processor": "P",
        "threads": 2,
        "note": "Cut off.",
    },
    "device": "cpu",
    "matmul_flop_per_second": {"fp32": 1e11},
    "rows": [
        {
            "encoder": "CNN1d",
            "batch": 256,
            "precision": "fp32",
            "windows_per_second": 3204.4,
            "milliseconds": 159.84,
            "views_share": 0.1,
            "gflop_per_step": 7.07,
            "of_matmul_rate": 0.433,
        }
    ],
}


def test_a_device_that_was_not_measured_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"step_rate_cpu": FIGURES, "step_rate_cuda": None}
    monkeypatch.setattr(step_rate_page, "kept", found.__getitem__)
    text = step_rate_page.tables()
    assert "**P, 2 threads**" in text
    assert "fp32 0.1. torch 2.13, commit abc, 2026-01-02. Cut off.\n" in text
    assert "| CNN1d | 256 | fp32 | 3,204 | 159.8 | 10 % | 7 | 43.3 % |" in text
    assert text.endswith("**cuda**\n\nnot measured yet")

"""``tsclr bench`` from a YAML file to its audit, also when it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.support.suites import CONFIG
from tsclr.bench.audit import audit_results
from tsclr.bench.protocols import Protocol
from tsclr.bench.results import TABLE
from tsclr.cli import main
from tsclr.config.presets import config_file
from tsclr.evaluate.heads import registered_heads
from tsclr.specs import subclasses

SUITES = sorted((Path(__file__).parent.parent / "benchmarks" / "suites").glob("*.yaml"))


def yaml_of(folder: Path, store: Path) -> Path:
    path = folder / "suite.yaml"
    path.write_text(
        f"datasets: ['{store}']\n"
        "methods:\n"
        f"  NT-Xent: {{class: Pretrained, config: '{CONFIG}', epochs: 1}}\n"
        "  hand: HandFeatures\n"
        "protocols: [{class: GroupKFold, n_folds: 2}]\n"
        "heads: [linear, knn, prototype]\nbudgets: ['1', '2', 5, all]\ndraws: 2\n"
    )
    return path


@pytest.fixture(scope="module")
def uninterrupted(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("command")
    words = ["bench", str(yaml_of(folder, tiny_store)), "--out", str(folder / "out"), "--jobs", "1"]
    assert main(words) == 0
    return (folder / "out" / TABLE).read_bytes()


def test_killed_in_the_middle_it_ends_with_the_same_bytes(
    uninterrupted: bytes, tiny_store: Path, tmp_path: Path
) -> None:
    words = [
        "bench",
        str(yaml_of(tmp_path, tiny_store)),
        "--out",
        str(tmp_path / "out"),
        "--jobs=2",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "tsclr", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + 120
        while len(list(tmp_path.glob("out/cells/*.json"))) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/cells/*.json")}
    assert len(kept) >= 3
    assert not (tmp_path / "out" / TABLE).exists()
    assert main(words) == 0
    assert (tmp_path / "out" / TABLE).read_bytes() == uninterrupted
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())


def test_a_failing_unit_is_named_and_the_others_are_kept(
    tiny_store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load(Path(CONFIG).read_text())
    config["training"]["min_rank"] = 1e6  # so that the run stops as collapsed
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    path = yaml_of(tmp_path, tiny_store)
    path.write_text(path.read_text().replace(CONFIG, str(tmp_path / "config.yaml")))
    assert main(["bench", str(path), "--out", str(tmp_path / "out"), "--jobs=2"]) == 1
    told = capfd.readouterr().err
    for group in (1, 2):
        assert f"store, 2 folds of subjects, group {group} of 2, NT-Xent: " in told
    assert "min_rank" in told
    assert len(list(tmp_path.glob("out/cells/*.json"))) == 2 * (3 * 4 + 1)


@pytest.fixture
def arrays(tmp_path: Path) -> Callable[[list[int]], list[str]]:
    """Words of an audit of 20 windows that half overlap, ten of each subject, without some."""
    stream = np.random.default_rng(0).normal(size=(3, 64 * 21))
    windows = np.stack([stream[:, start : start + 128] for start in range(0, 64 * 20, 64)])
    subjects = np.arange(20) // 10

    def words(without: list[int]) -> list[str]:
        found = ["bench", "audit"]
        for name, array in {
            "windows": windows,
            "subjects": subjects,
            "split": np.array(["train", "test"])[subjects],
        }.items():
            path = tmp_path / f"{name}.npy"
            np.save(path, np.delete(array, without, 0))
            found += [f"--{name}", str(path)]
        return found

    return words


def test_audit_of_somebody_elses_windows(
    arrays: Callable[[list[int]], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arrays([])) == 1
    assert "overlap: 1 of 10 test windows share samples" in capsys.readouterr().err
    assert main(arrays([10])) == 0
    assert "no leak found" in capsys.readouterr().out
    assert main(["bench", "audit"]) == 2


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.stem)
def test_every_suite_that_ships_is_understood(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(suite), "--out", "somewhere", "--print_config"]) == 0
    told = yaml.safe_load(capsys.readouterr().out)
    for method in told["methods"].values():
        assert config_file(method.get("config", "ntxent")).is_file()


@pytest.mark.slow
def test_the_quick_suite_has_every_protocol_head_and_section(tmp_path: Path) -> None:
    pytest.importorskip("aeon", reason="needs the extra bench: pip install 'tsclr[bench]'")
    (suite,) = [path for path in SUITES if path.stem == "quick"]
    assert main(["bench", str(suite), "--out", str(tmp_path), "--jobs", "2"]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    heads = {
        name for name, head in registered_heads().items() if head.__module__.startswith("tsclr.")
    }
    assert {row["head"] for row in results["rows"]} == {*heads, "supervised"}
    kinds = {told["class"] for told in results["suite"]["protocols"]}
    # Nobody in its datasets was recorded twice, or by two devices.
    elsewhere = {"AnotherTrial", "AnotherDay", "AnotherDevice"}
    assert kinds == set(subclasses(Protocol)) - elsewhere
    assert len({row["protocol"].partition(":")[0] for row in results["rows"]}) == len(kinds)
    page = (tmp_path / "report.html").read_text()
    for section in (
        "Average ranks over datasets, official",
        "Score by label budget",
        "Results",
        "Scores by subject",
        "Confusion of methods",
        "Cost and score",
        "Features in two dimensions",
        "Segmentation",
        "Which differences are proven",
        "Leak audit",
    ):
        assert section in page, section
    assert len(audit_results(tmp_path)) == len(results["units"]) == 10 * 6


def test_a_process_of_a_suite_keeps_to_one_thread() -> None:
    pytest.importorskip("aeon", reason="needs the extra bench: pip install 'tsclr[bench]'")
    program = (
        "import numpy, torch\n"
        "from tsclr.bench.processes import limit_threads\n"
        "limit_threads()\n"
        "from aeon.transformations.collection.convolution_based import MiniRocket\n"
        "MiniRocket(n_kernels=84).fit_transform(numpy.random.randn(4, 3, 32).astype('f4'))\n"
        "print(torch.get_num_threads())"
    )
    words = [sys.executable, "-c", program]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "1"


def test_audit_of_results(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "audit", str(finished)]) == 0
    assert "hand features" in capsys.readouterr().out

"""A recording saved again is refused by a probe, by a suite and by the certificate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.copies import WAYS, recordings_of, saved_again
from tests.support.suites import suite_on
from tests.support.training import tiny_pretrain
from tsclr.audit.certificates import certificate, check_certificate, leaks
from tsclr.audit.ledger import Ledger, read
from tsclr.audit.results import audit_results
from tsclr.bench.fitted import run_unit
from tsclr.bench.methods import FromRun, HandFeatures
from tsclr.bench.probe import probe
from tsclr.bench.protocols import GivenSubjects
from tsclr.bench.runner import bench
from tsclr.bench.seen import check_unseen
from tsclr.data.identity import fingerprints
from tsclr.data.splits import LeakError
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.files import write_table

SEEN = "pretraining has seen the test subjects 11; it has not seen 14"


@pytest.fixture(scope="module", params=WAYS)
def copy(request, logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """People 01 to 03, who were trained on, and 04, who was not, now called 11 to 14."""
    return saved_again(logs, tmp_path_factory.mktemp("copy"), request.param)


def noted(role: str, store: Store, subjects: tuple[str, ...], ledger: Ledger) -> None:
    ledger.note(role, Windows.sliding(store, 100, 50, subjects), dataset=str(store.source))


def kinds(ledger: Ledger, transductive: bool = False) -> set[tuple[str, str]]:
    return {(leak.kind, leak.role) for leak in leaks(ledger.frame(), transductive)}


def test_a_probe_refuses_whom_pretraining_saw(copy: Store, tiny_run: Path, tiny_store: Path):
    assert not {*fingerprints(copy, ("11",))} & {*fingerprints(Store.open(tiny_store), ("01",))}
    with pytest.raises(LeakError, match=SEEN):
        probe(tiny_run, str(copy.source), test=["11"])
    check_unseen(Checkpoint.load(tiny_run), copy, str(copy.source), ["14"])


def test_a_suite_refuses_whom_pretraining_saw(copy: Store, tiny_run: Path, tmp_path: Path):
    methods = {"pretrained": FromRun(str(tiny_run))}
    suite = suite_on(Path(copy.source), methods=methods, protocols=[GivenSubjects(["11"])])
    unit = next(suite.units(tmp_path))
    with pytest.raises(LeakError, match=SEEN):
        run_unit(unit)


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("pretraining", "copy"),
        ("fitting", "copy"),
        ("statistics", "statistics"),
        ("choice", "choice"),
    ],
)
def test_a_certificate_names_the_copy(copy: Store, tiny_store: Path, role: str, kind: str):
    ledger, store = Ledger(), Store.open(tiny_store)
    noted(role, store, ("01", "02"), ledger)
    noted("test", copy, ("14",), ledger)
    assert kinds(ledger) == set()
    noted("test", copy, ("11",), ledger)
    assert kinds(ledger) == {(kind, role)}
    (leak,) = leaks(ledger.frame())
    assert "whose samples are those of recording" in leak.detail
    assert kinds(ledger, transductive=True) == (
        set() if role in ("pretraining", "statistics") else {(kind, role)}
    )


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 25.0},
        {"columns": {"gyr_z": "gz", "gyr_x": "gx", "gyr_y": "gy"}},
        {"columns": {"acc_z": "az", "acc_x": "ax", "acc_y": "ay"}, "rate": 20.0},
    ],
    ids=["half the rate", "gyroscope in another order", "accelerometer at 20 Hz"],
)
def test_another_store_of_the_copy_is_no_other_recording(
    options: dict, logs: Path, tiny_run: Path, tiny_store: Path, tmp_path: Path
):
    copy, store = (
        saved_again(logs, tmp_path, "sampled 7 ms later", **options),
        Store.open(tiny_store),
    )
    with pytest.raises(LeakError, match=SEEN):
        check_unseen(Checkpoint.load(tiny_run), copy, str(copy.source), ["11", "14"])
    ledger = Ledger()
    noted("pretraining", store, ("01",), ledger)
    noted("test", copy, ("11", "14"), ledger)
    (leak,) = leaks(ledger.frame())
    assert leak.kind == "copy"


@pytest.mark.parametrize("rate", [50.0, 40.0])
def test_a_store_built_twice_is_known(tiny_run: Path, tiny_store: Path, rate: float):
    store = Store.open(tiny_store)
    renamed = (
        replace(each, name="new", subject=f"1{each.subject[-1]}")
        for each in recordings_of(store.with_channels(store.channels[::-1]))
    )
    again = Store.build(renamed, rate)
    with pytest.raises(LeakError, match="has seen the test subjects 11, 12"):
        check_unseen(Checkpoint.load(tiny_run), again, "memory", ["11", "12", "14"])
    ledger = Ledger()
    noted("fitting", store, ("01", "02"), ledger)
    noted("test", again, ("14",), ledger)
    assert kinds(ledger) == set()
    noted("test", again, ("12",), ledger)
    assert kinds(ledger) == {("copy", "fitting")}


def test_a_suite_on_a_store_with_somebody_twice_has_leaked(tiny_store: Path, tmp_path: Path):
    everybody = list(recordings_of(Store.open(tiny_store)))
    Store.build([*everybody, replace(everybody[0], subject="11")]).write(tmp_path / "store")
    suite = suite_on(
        tmp_path / "store",
        methods={"hand": HandFeatures(heads=["prototype"])},
        protocols=[GivenSubjects(["11"])],
        budgets=["1"],
        draws=1,
    )
    with pytest.raises(LeakError, match=r"has leaked \(copy, statistics\)"):
        bench(suite, tmp_path / "out")
    with pytest.raises(
        LeakError, match=r"copy: fitting saw recording \w{16}, subject \w{16}, whose"
    ):
        audit_results(tmp_path / "out")


def test_windows_of_one_recording_on_both_sides_are_no_copy(tiny_store: Path):
    store = Store.open(tiny_store)
    windows = Windows.sliding(store, 128, 128)
    ledger = Ledger()
    ledger.note("fitting", windows, np.arange(0, len(windows), 2))
    ledger.note("test", windows, np.arange(1, len(windows), 2))
    assert kinds(ledger) == {("subject", "fitting")}


def test_a_run_from_before_there_were_sketches_is_checked_by_its_files(
    tiny_run: Path, tiny_store: Path, logs: Path, tmp_path: Path
):
    checkpoint, store = Checkpoint.load(tiny_run), Store.open(tiny_store)
    old = {name: value for name, value in checkpoint.settings.items() if name != "sketches"}
    Checkpoint(checkpoint.tensors, old).save(tmp_path / "checkpoint.safetensors")
    run = Checkpoint.load(tmp_path)
    check_unseen(run, saved_again(logs, tmp_path, "gzip"), "elsewhere", ["11"])
    with pytest.raises(LeakError, match="has seen the test subjects 01"):
        check_unseen(run, store, "elsewhere", ["01"])
    tiny_pretrain(tiny_store, tmp_path, resume=True, epochs=4)
    assert Checkpoint.load(tmp_path).settings["sketches"] == checkpoint.settings["sketches"]


def test_a_provenance_from_before_there_were_sketches_still_passes(
    tiny_store: Path, tmp_path: Path
):
    ledger = Ledger()
    noted("fitting", Store.open(tiny_store), ("01",), ledger)
    noted("test", Store.open(tiny_store), ("02",), ledger)
    frame, path = ledger.frame(), tmp_path / "a.parquet"
    assert "copy" in certificate(frame)["checks"]
    old = frame.drop(columns="sketch")
    write_table(path, old.to_dict("records"), {"format": 1})
    assert "copy" not in certificate(old)["checks"]
    assert check_certificate(certificate(old), path).equals(read(path))
    with pytest.raises(ValueError, match="is not the provenance that was certified"):
        check_certificate(certificate(frame), path)

"""Every planted leak fails loudly and for its own reason; clean splits and honest files pass."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recordings import recording
from tsclr.bench.audit import audit_results
from tsclr.certificate import CHECKS, certificate, check_certificate, leaks
from tsclr.ledger import Ledger, digest, hashed, write
from tsclr.splits import LeakError
from tsclr.store import Store
from tsclr.windows import Windows

STORE = Store.build([recording(100, f"s{number}", source_hash=f"f{number}") for number in range(4)])
WINDOWS = Windows.sliding(STORE, length=20, stride=10)
TRAIN, TEST = ("s0", "s1"), ("s3",)
EVERYBODY = STORE.subjects


def noted(**changes):
    """The provenance of an honest evaluation, but for `changes`: subjects by role."""
    used = {
        "pretraining": (*TRAIN, "s2"),
        "statistics": (*TRAIN, "s2"),
        "fitting": (*TRAIN, "s2"),
        "choice": (*TRAIN, "s2"),
        "test": TEST,
    }
    ledger = Ledger("mine")
    for role, subjects in (used | changes).items():
        ledger.note(role, WINDOWS, np.isin(WINDOWS.subjects, subjects))
    return ledger.frame()


def kinds(frame, transductive=False):
    """Kind and role of what leaked."""
    return {(leak.kind, leak.role) for leak in leaks(frame, transductive)}


# What a ledger noted


def test_honest_evaluation_has_no_leak():
    assert leaks(noted()) == []
    assert certificate(noted())["checks"] == dict.fromkeys(CHECKS, True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fitting": EVERYBODY}, {("subject", "fitting"), ("overlap", "fitting")}),
        ({"pretraining": EVERYBODY}, {("subject", "pretraining"), ("overlap", "pretraining")}),
        ({"statistics": EVERYBODY}, {("statistics", "statistics")}),
        ({"choice": (*TRAIN, *TEST)}, {("choice", "choice")}),
    ],
    ids=["shared subject", "pretraining on test", "normalised on all", "epoch chosen on test"],
)
def test_planted_leak_is_found_for_its_own_reason(tmp_path, changes, expected):
    frame = noted(**changes)
    assert kinds(frame) == expected
    checks = certificate(frame)["checks"]
    assert {name for name, holds in checks.items() if not holds} == {kind for kind, _ in expected}
    write(frame, tmp_path / "a.parquet")
    where = frame.loc[frame["role"] == "test"].iloc[0]
    with pytest.raises(LeakError) as raised:
        check_certificate(certificate(frame), tmp_path / "a.parquet")
    for kind, role in expected:
        assert f"{kind}: {role} saw" in str(raised.value)
    assert f"subject {where.subject} of the test, in recording {where.recording}" in str(
        raised.value
    )
    assert f"samples 0 to 100 of recording {where.recording}" in str(raised.value)


def test_planted_overlap_without_a_shared_name_is_found():
    # The same files under other names of subjects: only the samples tell.
    other = Store.build([recording(100, "x", source_hash="f3")])
    ledger = Ledger("mine")
    ledger.note("test", WINDOWS, WINDOWS.subjects == "s3")
    ledger.note("fitting", Windows(other, 20, np.array([30, 50])))
    found = leaks(ledger.frame())
    assert [leak.kind for leak in found] == ["overlap"]
    assert "saw samples 30 to 70 of recording" in found[0].detail


def test_overlapping_windows_of_a_random_split_are_found():
    ledger = Ledger("mine")
    for part, role in enumerate(("fitting", "test")):
        ledger.note(role, WINDOWS, np.arange(part, len(WINDOWS), 2))
    assert kinds(ledger.frame()) == {("subject", "fitting"), ("overlap", "fitting")}


def test_windows_that_touch_share_a_subject_but_no_sample():
    ledger = Ledger("mine")
    ledger.note("fitting", Windows(STORE, 20, np.array([0])))
    ledger.note("test", Windows(STORE, 20, np.array([20])))
    assert kinds(ledger.frame()) == {("subject", "fitting")}


@given(st.lists(st.integers(0, 380), max_size=6), st.lists(st.integers(0, 380), max_size=6))
def test_overlaps_are_the_samples_that_both_used(fitted, tested):
    ledger, used = Ledger("mine"), np.zeros((2, 400), bool)
    for mask, role, starts in zip(used, ("fitting", "test"), (fitted, tested), strict=True):
        ledger.note(role, Windows(STORE, 20, np.array(sorted(starts), int)))
        for start in starts:
            mask[start : start + 20] = True
    both = used.all(0).reshape(4, 100)
    n_runs = int((np.diff(both.astype(int), axis=1, prepend=0) == 1).sum())
    found = [leak for leak in leaks(ledger.frame()) if leak.kind == "overlap"]
    assert len(found) == n_runs


@pytest.mark.parametrize(("start", "leaked"), [(20, True), (40, False)])
def test_interval_is_the_same_time_at_another_rate(start, leaked):
    twice = Store.build([recording(200, "x", source_hash="f3", sample_rate=100.0)])
    ledger = Ledger("mine")
    ledger.note("test", Windows(STORE, 20, np.array([300])))
    ledger.note("fitting", Windows(twice, 20, np.array([start])))
    assert (kinds(ledger.frame()) == {("overlap", "fitting")}) == leaked


def test_transductive_lets_unlabelled_roles_see_the_test_and_no_other():
    seen = noted(pretraining=EVERYBODY, statistics=EVERYBODY)
    assert leaks(seen, transductive=True) == []
    assert kinds(seen) == {
        ("subject", "pretraining"), ("overlap", "pretraining"), ("statistics", "statistics"),
    }  # fmt: skip
    for role in ("fitting", "choice"):
        frame = noted(pretraining=EVERYBODY, **{role: EVERYBODY})
        assert {found for _, found in kinds(frame, transductive=True)} == {role}


def test_transductive_certificate_does_not_claim_a_check_it_does_not_make():
    given = certificate(noted(pretraining=EVERYBODY), transductive=True)
    assert given["transductive"]
    assert given["checks"] == {"subject": True, "overlap": True, "choice": True}


def test_certificate_counts_what_each_role_used():
    roles = certificate(noted())["roles"]
    assert roles["test"] == {"subjects": 1, "recordings": 1, "samples": 100}
    assert roles["fitting"] == {"subjects": 3, "recordings": 3, "samples": 300}


def test_certificate_without_a_test_is_refused():
    with pytest.raises(ValueError, match="the provenance has no test windows"):
        certificate(noted(test=()))


# What lies in a results folder


@pytest.fixture
def results(tmp_path):
    """Writes results of units: name of the provenance -> its rows."""

    def write_units(frames, transductively=False, **changes):
        units = []
        for name, frame in frames.items():
            path = f"provenance/{name}.parquet"
            write(frame, tmp_path / path)
            units.append(
                {
                    "dataset": "mine",
                    "fold": "official",
                    "method": name,
                    "transductive": transductively,
                    "split": {"train": TRAIN, "validation": ["s2"], "test": TEST},
                    "provenance": path,
                    "certificate": certificate(frame, transductively),
                }
                | changes
            )
        (tmp_path / "results.json").write_text(json.dumps({"units": units}))
        return tmp_path

    return write_units


def test_honest_results_are_told_unit_by_unit(results):
    table = audit_results(results({"one": noted(), "two": noted(pretraining=())}))
    assert table["method"].tolist() == ["one", "two"]
    assert table["roles"].tolist() == [
        "pretraining, statistics, fitting, choice", "statistics, fitting, choice",
    ]  # fmt: skip
    assert table["checks"].tolist() == ["subject, overlap, statistics, choice"] * 2
    assert table["samples"].tolist() == [100, 100]


def test_every_leak_of_every_unit_is_told(results):
    folder = results({"one": noted(fitting=EVERYBODY), "two": noted(), "three": noted(choice=TEST)})
    with pytest.raises(LeakError) as raised:
        audit_results(folder)
    for words in ("unit 0", "subject: fitting", "overlap: fitting", "unit 2", "choice: choice"):
        assert words in str(raised.value)
    assert "unit 1" not in str(raised.value)


def test_transductive_results_pass_only_when_they_say_so(results):
    frames = {"one": noted(pretraining=EVERYBODY)}
    assert audit_results(results(frames, transductively=True))["transductive"].tolist() == [True]
    with pytest.raises(LeakError, match="overlap: pretraining saw"):
        audit_results(results(frames))


def test_transductive_certificate_of_a_unit_that_says_otherwise_is_refused(results):
    given = certificate(noted(pretraining=EVERYBODY), transductive=True)
    folder = results({"one": noted(pretraining=EVERYBODY)}, certificate=given)
    with pytest.raises(ValueError, match="says transductive False, its certificate says True"):
        audit_results(folder)


def test_provenance_that_was_cleaned_afterwards_is_refused(results):
    folder = results({"one": noted(fitting=EVERYBODY)})
    write(noted(), folder / "provenance" / "one.parquet")
    with pytest.raises(ValueError, match=r"one\.parquet is not the provenance that was certified"):
        audit_results(folder)


def test_leak_is_told_even_if_the_certificate_was_made_to_fit(results):
    frame = noted(fitting=EVERYBODY)
    lie = certificate(noted()) | {"provenance": digest(frame)}
    with pytest.raises(LeakError, match="overlap: fitting"):
        audit_results(results({"one": frame}, certificate=lie))


@pytest.mark.parametrize("name", ["roles", "checks"])
def test_certificate_that_was_changed_is_refused(results, name):
    lie = certificate(noted())
    first = next(iter(lie[name]))
    lie[name].pop(first)
    with pytest.raises(ValueError, match=f"has {name} .* the file gives .*{first}"):
        audit_results(results({"one": noted()}, certificate=lie))


def test_provenance_of_another_fold_is_refused(results):
    folder = results({"one": noted(fitting=TRAIN, choice=TRAIN, test=("s2",), pretraining=TRAIN,
                                   statistics=TRAIN)})  # fmt: skip
    other = hashed("mine", "s2")
    with pytest.raises(ValueError, match=f"that its split does not name: {other} in"):
        audit_results(folder)


def test_unit_without_its_split_is_checked_as_well(results):
    folder = results({"one": noted(test=("s2",), fitting=TRAIN, choice=())})
    content = json.loads((folder / "results.json").read_text())
    del content["units"][0]["split"]
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(LeakError, match="subject: pretraining saw"):
        audit_results(folder)
    content["units"][0] |= {"transductive": True, "certificate": certificate(
        noted(test=("s2",), fitting=TRAIN, choice=()), transductive=True)}  # fmt: skip
    (folder / "results.json").write_text(json.dumps(content))
    assert len(audit_results(folder)) == 1


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-9]])
def test_damaged_provenance_is_named(results, damage):
    folder = results({"one": noted()})
    path = folder / "provenance" / "one.parquet"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"one\.parquet is damaged"):
        audit_results(folder)
    path.unlink()
    with pytest.raises(ValueError, match=r"there is no provenance file .*one\.parquet"):
        audit_results(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"provenance": "../a.parquet"}, "outside of the results folder"),
        ({"provenance": "/a.parquet"}, "outside of the results folder"),
        ({"provenance": None}, "no valid 'provenance', it has None"),
        ({"certificate": "true"}, "no valid 'certificate', it has 'true'"),
        ({"certificate": {}}, "says transductive False, its certificate says None"),
        ({"certificate": {"transductive": False}}, "the certificate names None"),
        ({"transductive": 1}, "no valid 'transductive', it has 1"),
        ({"method": 5}, "no valid 'method'"),
        ({"split": {}}, "the split of unit 0 .* no valid 'test'"),
    ],
)
def test_unit_that_says_nonsense_is_refused(results, changes, message):
    with pytest.raises(ValueError, match=message):
        audit_results(results({"one": noted()}, **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is missing or damaged"),
        ("[" * 100_000, "is missing or damaged"),
        ("[]", "no valid 'units'"),
        ('{"units": []}', "has no units"),
        ('{"units": [3]}', "unit 0 .* no valid 'dataset'"),
    ],
)
def test_damaged_results_are_named(tmp_path, text, message):
    with pytest.raises(ValueError, match="is missing or damaged"):
        audit_results(tmp_path)
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        audit_results(tmp_path)

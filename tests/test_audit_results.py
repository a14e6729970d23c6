"""Every planted leak fails loudly and for its own reason; clean splits and honest files pass."""

import json
import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recordings import recording
from tsclr.audit.certificates import CHECKS, certificate, check_certificate, leaks
from tsclr.audit.ledger import Ledger, digest, frame_of, merged, write
from tsclr.audit.results import audit_results
from tsclr.data.identity import hashed
from tsclr.data.splits import LeakError
from tsclr.data.store import Store
from tsclr.data.windows import Windows

STORE = Store.build(
    [recording(100, f"s{number}", seed=number, source_hash=f"f{number}") for number in range(4)]
)
WINDOWS = Windows.sliding(STORE, length=20, stride=10)
TRAIN, TEST = ("s0", "s1"), ("s3",)
EVERYBODY = STORE.subjects


def provenance(**changes):
    """The provenance of an honest evaluation, except for `changes`: subjects by role."""
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


# Leaks in a provenance


def test_honest_evaluation_has_no_leak():
    assert leaks(provenance()) == []
    assert certificate(provenance())["checks"] == dict.fromkeys(CHECKS, True)


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
    frame = provenance(**changes)
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
    (leak,) = leaks(ledger.frame())
    assert leak.kind == "overlap"
    assert "saw samples 30 to 70 of recording" in leak.detail


def test_copy_under_another_subject_is_found():
    store = Store.build([recording(100, name, source_hash="f0") for name in ("a", "b")])
    ledger = Ledger("mine")
    ledger.note("fitting", Windows(store, 20, np.array([10])))
    ledger.note("test", Windows(store, 20, np.array([120])))
    (leak,) = leaks(ledger.frame())
    assert leak.kind == "overlap"
    assert f"saw samples 20 to 30 of recording {hashed('f0', 'walk')}" in leak.detail


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
    n_intervals = int((np.diff(both.astype(int), axis=1, prepend=0) == 1).sum())
    n_overlaps = sum(leak.kind == "overlap" for leak in leaks(ledger.frame()))
    assert n_overlaps == n_intervals


def slow_overlaps(frame):
    """What the fitting saw of the test: slow reference, each interval with each other."""
    details = []
    fitted, tested = (frame.loc[frame["role"] == role] for role in ("fitting", "test"))
    for one, other in product(fitted.itertuples(), tested.itertuples()):
        scale = one.sample_rate / other.sample_rate
        start = max(one.start, int(np.floor(round(other.start * scale, 6))))
        stop = min(one.stop, int(np.ceil(round(other.stop * scale, 6))))
        if one.recording == other.recording and start < stop:
            details.append(
                f"saw samples {start} to {stop} of recording {one.recording}, subject "
                f"{one.subject}, which are tested"
            )
    return details


ROWS = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["fitting", "test"]),
        "recording": st.sampled_from(["x", "y"]),
        "subject": st.sampled_from(["a", "b"]),
        "sample_rate": st.sampled_from([30.0, 50.0]),
        "start": st.integers(0, 60),
        "stop": st.integers(61, 90) | st.integers(1, 20),
    }
).map(lambda row: row | {"stop": row["stop"] + row["start"] * (row["stop"] <= 20)})


@given(st.lists(ROWS, max_size=40), st.booleans())
def test_overlaps_are_those_of_every_interval_with_every_other(rows, are_merged):
    frame = merged([frame_of(rows)]) if are_merged else frame_of(rows)
    details = [leak.detail for leak in leaks(frame) if leak.kind == "overlap"]
    assert sorted(details) == sorted(slow_overlaps(frame))


def test_overlaps_of_many_intervals_take_little_memory_and_keep_their_order():
    row = {"recording": "ab", "subject": "cd", "sample_rate": 50.0}
    frame = frame_of(
        [
            {**row, "role": role, "start": 10 * k + start, "stop": 10 * k + stop}
            for role, start, stop in (("fitting", 0, 6), ("test", 3, 8))
            for k in range(2000)
        ]
    )
    tracemalloc.start()
    details = [leak.detail for leak in leaks(frame) if leak.kind == "overlap"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [detail.split(" of ")[0] for detail in details] == [
        f"saw samples {10 * k + 3} to {10 * k + 6}" for k in range(2000)
    ]
    assert peak < 30e6  # a join of every interval with every other takes 32 MB for a column


@pytest.mark.parametrize(("start", "leaked"), [(20, True), (40, False)])
def test_interval_is_the_same_time_at_another_rate(start, leaked):
    twice = Store.build([recording(200, "x", source_hash="f3", sample_rate=100.0)])
    ledger = Ledger("mine")
    ledger.note("test", Windows(STORE, 20, np.array([300])))
    ledger.note("fitting", Windows(twice, 20, np.array([start])))
    assert (kinds(ledger.frame()) == {("overlap", "fitting")}) == leaked


def test_transductive_lets_unlabelled_roles_see_the_test_and_no_other():
    seen = provenance(pretraining=EVERYBODY, statistics=EVERYBODY)
    assert leaks(seen, transductive=True) == []
    assert kinds(seen) == {
        ("subject", "pretraining"),
        ("overlap", "pretraining"),
        ("statistics", "statistics"),
    }
    for role in ("fitting", "choice"):
        frame = provenance(pretraining=EVERYBODY, **{role: EVERYBODY})
        assert {leaked for _, leaked in kinds(frame, transductive=True)} == {role}


def test_transductive_certificate_does_not_claim_a_check_it_does_not_make():
    stated = certificate(provenance(pretraining=EVERYBODY), transductive=True)
    assert stated["transductive"]
    assert stated["checks"] == dict.fromkeys(["subject", "overlap", "copy", "choice"], True)


def test_certificate_counts_what_each_role_used():
    roles = certificate(provenance())["roles"]
    assert roles["test"] == {"subjects": 1, "recordings": 1, "samples": 100}
    assert roles["fitting"] == {"subjects": 3, "recordings": 3, "samples": 300}


def test_certificate_without_a_test_is_refused():
    with pytest.raises(ValueError, match="the provenance has no test windows"):
        certificate(provenance(test=()))


# Results folders


@pytest.fixture
def results(tmp_path):
    """A function that writes the results of units, one for each method and its provenance."""

    def write_units(frames, transductively=False, **changes):
        units, rows = [], []
        for name, frame in frames.items():
            line = {"dataset": "mine", "protocol": "official", "method": name}
            rows.append({**line, "by_subject": dict.fromkeys(TEST, 0.5)})
            path = f"provenance/{name}.parquet"
            write(frame, tmp_path / path)
            units.append(
                {
                    **line,
                    "fold": "official",
                    "transductive": transductively,
                    "split": {"train": TRAIN, "validation": ["s2"], "test": TEST},
                    "provenance": path,
                    "certificate": certificate(frame, transductively),
                }
                | changes
            )
        content = {"units": units, "rows": rows, "segmentation": []}
        (tmp_path / "results.json").write_text(json.dumps(content))
        return tmp_path

    return write_units


def test_honest_results_are_listed_unit_by_unit(results):
    table = audit_results(results({"one": provenance(), "two": provenance(pretraining=())}))
    assert table["method"].tolist() == ["one", "two"]
    assert table["roles"].tolist() == [
        "pretraining, statistics, fitting, choice",
        "statistics, fitting, choice",
    ]
    assert table["holds"].tolist() == ["subject, overlap, copy, statistics, choice"] * 2
    assert table["samples"].tolist() == [100, 100]


def test_every_leak_of_every_unit_is_named(results):
    folder = results(
        {
            "one": provenance(fitting=EVERYBODY),
            "two": provenance(),
            "three": provenance(choice=TEST),
        }
    )
    with pytest.raises(LeakError) as raised:
        audit_results(folder)
    for words in ("unit 0", "subject: fitting", "overlap: fitting", "unit 2", "choice: choice"):
        assert words in str(raised.value)
    assert "unit 1" not in str(raised.value)


def test_transductive_results_pass_only_when_they_say_so(results):
    frames = {"one": provenance(pretraining=EVERYBODY)}
    assert audit_results(results(frames, transductively=True))["transductive"].tolist() == [True]
    with pytest.raises(LeakError, match="overlap: pretraining saw"):
        audit_results(results(frames))


def test_transductive_certificate_of_a_unit_that_says_otherwise_is_refused(results):
    stated = certificate(provenance(pretraining=EVERYBODY), transductive=True)
    folder = results({"one": provenance(pretraining=EVERYBODY)}, certificate=stated)
    with pytest.raises(ValueError, match="says transductive False, its certificate says True"):
        audit_results(folder)


def test_provenance_that_was_cleaned_afterwards_is_refused(results):
    folder = results({"one": provenance(fitting=EVERYBODY)})
    write(provenance(), folder / "provenance" / "one.parquet")
    with pytest.raises(ValueError, match=r"one\.parquet is not the provenance that was certified"):
        audit_results(folder)


def test_leak_is_named_even_if_the_certificate_was_made_to_fit(results):
    frame = provenance(fitting=EVERYBODY)
    lie = certificate(provenance()) | {"provenance": digest(frame)}
    with pytest.raises(LeakError, match="overlap: fitting"):
        audit_results(results({"one": frame}, certificate=lie))


@pytest.mark.parametrize("name", ["roles", "checks"])
def test_certificate_that_was_changed_is_refused(results, name):
    lie = certificate(provenance())
    first = next(iter(lie[name]))
    lie[name].pop(first)
    with pytest.raises(ValueError, match=f"states {name} .* the file gives .*{first}"):
        audit_results(results({"one": provenance()}, certificate=lie))


def test_provenance_of_another_fold_is_refused(results):
    folder = results(
        {
            "one": provenance(
                fitting=TRAIN, choice=TRAIN, test=("s2",), pretraining=TRAIN, statistics=TRAIN
            )
        }
    )
    other = hashed("mine", "s2")
    with pytest.raises(ValueError, match=f"that its split does not name: {other} in"):
        audit_results(folder)


def test_provenance_with_nothing_but_the_test_is_refused(results):
    frame = provenance()
    folder = results({"one": provenance(), "two": frame.loc[frame["role"] == "test"]})
    with pytest.raises(ValueError, match=r"unit 1 .* nothing in .*two\.parquet has the role fit"):
        audit_results(folder)


@pytest.mark.parametrize("side", ["train", "validation"])
def test_split_that_has_a_subject_in_two_places_is_refused(results, side):
    split = {"train": TRAIN, "validation": ["s2"], "test": TEST}
    folder = results({"one": provenance()}, split=split | {side: TEST})
    with pytest.raises(LeakError, match=f"unit 0 .* subject s3 is in both {side} and test"):
        audit_results(folder)


def changed(folder, change):
    """A folder of results whose content `change` has changed in place."""
    content = json.loads((folder / "results.json").read_text())
    change(content)
    (folder / "results.json").write_text(json.dumps(content))
    return folder


def leaving_one_out(folder, unit):
    """Units like `unit` of as many folds as there are subjects, their provenances written."""
    for test in EVERYBODY:
        rest = [name for name in EVERYBODY if name != test]
        seen = dict.fromkeys(("pretraining", "statistics", "fitting", "choice"), rest)
        frame, path = provenance(**seen, test=(test,)), f"provenance/{test}.parquet"
        write(frame, folder / path)
        yield unit | {
            "fold": f"subject {test}",
            "split": {"train": rest[1:], "validation": rest[:1], "test": [test]},
            "provenance": path,
            "certificate": certificate(frame),
        }


def test_folds_together_test_whom_the_row_scores(results):
    def unfold(content):
        content["units"] = list(leaving_one_out(folder, content["units"][0]))
        content["rows"][0]["by_subject"] = dict.fromkeys(EVERYBODY, 0.5)

    folder = results({"one": provenance()})
    assert len(audit_results(changed(folder, unfold))) == 4
    changed(folder, lambda content: content["units"].pop(1))
    message = r"row 0 of .* \(mine, official, one; units 0, 1, 2\) scores the subjects s1, which"
    with pytest.raises(ValueError, match=message):
        audit_results(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["units"].pop(1), r"row 1 .* \(mine, official, two; units none\)"),
        (lambda content: content.pop("rows"), "no valid 'rows'"),
        (lambda content: content.pop("segmentation"), "no valid 'segmentation'"),
        (lambda content: content["rows"][1].pop("by_subject"), "row 1 .* no valid 'by_subject'"),
        (lambda content: content["rows"][1]["by_subject"].clear(), "row 1 .* does not score"),
        (lambda content: content["units"][1].pop("protocol"), "unit 1 .* no valid 'protocol'"),
        (lambda content: content["units"][1].pop("split"), "unit 1 .* no valid 'split'"),
    ],
)
def test_results_that_lack_something_are_refused(results, change, message):
    folder = results({"one": provenance(), "two": provenance(pretraining=())})
    with pytest.raises(ValueError, match=message):
        audit_results(changed(folder, change))


def on_two(results, tested):
    """Results of a test on s2 and s3, whose provenance has `tested`, and whose row scores s3."""
    seen = dict.fromkeys(("pretraining", "statistics", "fitting", "choice"), TRAIN)
    split = {"train": TRAIN, "validation": [], "test": ["s2", "s3"]}
    return results({"one": provenance(**seen, test=tested)}, split=split)


@pytest.mark.parametrize(("tested", "lacking"), [(("s2",), "s3"), (("s3",), "s2")])
def test_provenance_that_lacks_a_test_subject_is_refused(results, tested, lacking):
    def score_both(content):
        content["rows"][0]["by_subject"] = {"s2": 0.5, "s3": 0.5}

    folder = changed(on_two(results, tested), score_both)
    with pytest.raises(ValueError, match=rf"row 0 .* units 0\) scores the subjects {lacking}, wh"):
        audit_results(folder)


def test_segmentation_also_tests_streams_that_no_row_scores(results):
    folder = on_two(results, ("s2", "s3"))
    with pytest.raises(ValueError, match=f"row 0 .* does not score {hashed('mine', 's2')}"):
        audit_results(folder)
    line = {"dataset": "mine", "protocol": "official", "method": "one"}
    changed(folder, lambda content: content["segmentation"].append(line))
    assert audit_results(folder)["subjects"].tolist() == [2]


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-9]])
def test_damaged_provenance_is_named(results, damage):
    folder = results({"one": provenance()})
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
        ({"provenance": "a.parquet"}, r"there is no provenance file .*a\.parquet"),
        ({"provenance": None}, "no valid 'provenance', it has None"),
        ({"certificate": "true"}, "no valid 'certificate', it has 'true'"),
        ({"certificate": {}}, "says transductive False, its certificate says None"),
        ({"certificate": {"transductive": False}}, "the certificate names None"),
        ({"transductive": 1}, "no valid 'transductive', it has 1"),
        ({"method": 5}, "no valid 'method'"),
        ({"split": {}}, "the split of unit 0 .* no valid 'train'"),
        ({"split": {"train": [], "validation": []}}, "the split of unit 0 .* no valid 'test'"),
    ],
)
def test_unit_that_says_nonsense_is_refused(results, changes, message):
    with pytest.raises(ValueError, match=message):
        audit_results(results({"one": provenance()}, **changes))


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

"""Units in processes: what stops them, and how failures and warnings are reported."""

import importlib
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

import psutil
import pytest
from rich.progress import Progress

from tests.support.suites import scored, suite_on
from tsclr.bench import processes
from tsclr.bench.methods import HandFeatures
from tsclr.bench.outcomes import Outcome, attempt, raise_failures, warning_lines
from tsclr.bench.processes import Job
from tsclr.bench.runner import bench, run
from tsclr.cli import main
from tsclr.data.splits import LeakError

CONSOLE_SCRIPT = Path(sys.executable).with_name("tsclr")
OWN = """
import signal, time, warnings
from pathlib import Path
from tsclr.bench import processes
from tsclr.bench.methods import HandFeatures

class Picky(Exception):
    def __init__(self, one, other):  # cannot be pickled
        super().__init__(f"{one} and {other}")

class Lost(HandFeatures):
    def learn(self, stage):
        warnings.warn("the spectrum\\nis short")
        return {}["spectrum"]

class Refused(HandFeatures):
    def learn(self, stage):
        warnings.warn(f"fold of {len(stage.split.test)}")
        raise Picky("left", stage.split.test[0])

class Slow(HandFeatures):
    def learn(self, stage):
        Path("ignored").write_text(str(signal.getsignal(signal.SIGINT) == signal.SIG_IGN))
        Path("began").touch()
        time.sleep(20)
"""


def suite_of(module: str, names: list[str], store: Path, folder: Path) -> list[str]:
    """Write a suite and its module of methods into a folder; the arguments that run it."""
    (folder / f"{module}.py").write_text(OWN)
    methods = "".join(f"  {name}: {module}.{name}\n" for name in names)
    (folder / "suite.yaml").write_text(
        f"datasets: ['{store}']\nmethods:\n{methods}budgets: [1]\n"
        "protocols: [{class: GroupKFold, n_folds: 2}]\n"
    )
    return ["bench", "suite.yaml", "--out", "out"]


# Ctrl-C


def restore_ctrl_c() -> None:
    """Let a process react to Ctrl-C even if a shell runs the tests in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("late", [False, True], ids=["while workers begin", "while they work"])
def test_ctrl_c_ends_every_process_at_once(late: bool, tiny_store: Path, tmp_path: Path) -> None:
    words = suite_of("own_slow", ["Slow"], tiny_store, tmp_path)
    with subprocess.Popen(
        [CONSOLE_SCRIPT, *words, "--jobs=1"],
        cwd=tmp_path,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_ctrl_c,
    ) as process:
        message = process.stderr.readline()
        until = time.monotonic() + (60 if late else 1)
        while time.monotonic() < until and not (tmp_path / "began").exists():
            time.sleep(0.02)
        assert (tmp_path / "began").exists() == late
        assert not late or (tmp_path / "ignored").read_text() == "True"
        for worker in psutil.Process(process.pid).children(recursive=True):
            worker.send_signal(signal.SIGINT)
        # A terminal signals all at once; workers could receive it before the parent does.
        time.sleep(0.5)
        pressed = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        message += process.stderr.read()  # to its end: when the last process is gone
        assert process.wait() == 130, message
    assert time.monotonic() - pressed < 10
    assert message.splitlines() == [
        "4 cells in 2 units, 1 at a time",
        "tsclr: interrupted; to go on: tsclr bench suite.yaml --out out --jobs=1",
    ]


def test_an_error_ends_the_processes_and_no_other(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    suite_of("own_slow_too", ["Slow"], tiny_store, tmp_path)
    method = importlib.import_module("own_slow_too").Slow()
    other = get_context("spawn").Process(target=time.sleep, args=(60,))
    other.start()
    units = list(suite_on(tiny_store, methods={"slow": method}).units(tmp_path / "out"))

    def update(*_: object, **__: object) -> None:
        if (tmp_path / "began").exists():
            raise OSError("the terminal is gone")

    monkeypatch.setattr(Progress, "update", update)
    began = time.monotonic()
    with pytest.raises(OSError, match="the terminal is gone"):
        run(units, [], jobs=1)
    assert time.monotonic() - began < 60
    assert (tmp_path / "began").exists()
    assert active_children() == [other]
    other.kill()
    other.join()


@pytest.mark.parametrize("method", ["forkserver", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_process_that_is_killed_fails_its_unit_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "CONTEXT", get_context(method))
    killed, other = Job(partial(signal.raise_signal, signal.SIGKILL)), Job(partial(int, "7"))
    failure = killed.outcome().failure
    assert failure is not None
    assert "ended by SIGKILL; is there enough memory?" in failure.message
    assert other.outcome().value == 7


# Failures and warnings


def test_own_methods_that_fail_can_be_debugged(
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    words = suite_of("own_failing", ["Lost", "Refused"], tiny_store, tmp_path)
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(ValueError, match="4 of 4 units failed") as caught,
    ):
        main([*words, "--jobs=1", "--debug"])
    store = "store, 2 folds of subjects, group"
    assert str(caught.value).splitlines()[1:4] == [
        "KeyError: 'spectrum', in 2 units:",
        f"  {store} 1 of 2, Lost",
        f"  {store} 2 of 2, Lost",
    ]
    for group, line in zip((1, 2), str(caught.value).splitlines()[4:], strict=True):
        assert line.startswith(f"{store} {group} of 2, Refused: Picky: left and ")
    assert f'{tmp_path}/own_failing.py", line' in str(caught.value.__cause__)
    assert 'return {}["spectrum"]' in str(caught.value.__cause__)
    spectrum, fold = caplog.messages
    assert spectrum.startswith(f"2 units, first {store} 1 of 2, Lost: the spectrum is short (")
    assert "UserWarning of " in spectrum
    assert fold.startswith(f"2 units, first {store} 1 of 2, Refused: fold of 2 (UserWarning")
    assert "own_failing" not in capfd.readouterr().err


def test_a_leak_that_a_process_finds_is_a_leak() -> None:
    def leak() -> None:
        raise LeakError("features depend\non the test")

    result = attempt(leak)
    assert result.failure is not None
    with pytest.raises(LeakError, match=r"a: features depend on the test$"):
        raise_failures({"a": result, "b": Outcome()})
    raise_failures({"b": Outcome()})


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no window"), "no window"),
        (FileNotFoundError("no config"), "no config"),
        (ValueError(), "ValueError"),
        (KeyError("acc"), "KeyError: 'acc'"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_the_type_is_named_where_the_message_is_not_for_people(
    error: BaseException, message: str
) -> None:
    def fail() -> None:
        raise error

    failure = attempt(fail).failure
    assert failure is not None
    assert failure.message == message


def test_a_unit_that_warns_often_is_named_once() -> None:
    def warn() -> None:
        warnings.simplefilter("always")
        for number in range(3):
            warnings.warn(f"{number} " + "long " * 100, stacklevel=1)
        warnings.warn("other", RuntimeWarning, stacklevel=1)

    one, other = warning_lines({"a": attempt(warn), "b": Outcome()})
    assert one.startswith("a: 0 long long")
    assert len(one) < 200 + len(f"a:  (UserWarning of {__file__}:999)")
    assert other.startswith("a: other (RuntimeWarning of ")


@pytest.mark.parametrize("name", ["file", "file/in/it"])
def test_results_cannot_be_where_a_file_is(name: str, tiny_store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        NotADirectoryError, match=r"/file is not a folder: name a folder for the results"
    ):
        bench(suite_on(tiny_store), tmp_path / name)


# Units that are done


def test_a_suite_that_is_done_starts_no_process(
    finished: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("tsclr.bench.runner.Job", start)
    bench(suite_on(tiny_store), finished)


def test_a_damaged_cell_is_reported_once(
    tiny_store: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    suite = suite_on(tiny_store, methods={"hand": HandFeatures()}, budgets=["1"])
    scored(suite, tmp_path)
    cell = next(suite.units(tmp_path)).cells[0]
    cell.path.write_bytes(b"{")
    with caplog.at_level(logging.WARNING):
        bench(suite, tmp_path)
    assert caplog.text.count("is damaged: computing it again") == 1
    assert "is damaged" not in capfd.readouterr().err

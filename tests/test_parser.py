"""Words of a command line and YAML files, before anything is built from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import yaml

from tsclr.config.changes import tree
from tsclr.config.options import (
    REQUIRED,
    Option,
    UsageError,
    options_of,
    parameter_docs,
    parse_words,
)
from tsclr.objectives import Objective
from tsclr.specs import SpecError, parse_yaml, read_yaml

OPTIONS = [
    Option("run", Path, "Run folder", REQUIRED, positional=True),
    Option("out", Path, "Where to"),
    Option("log_rate", float),
    Option("whiten", bool, default=False),
    Option("resume", bool | Path, default=False),
    Option("training.epochs", int, raw=True),
    Option("training.batch_size", int, raw=True),
    Option("objective", Objective, raw=True),
]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("runs/a --out x", {"run": "runs/a", "out": "x"}),
        ("--out=x runs/a", {"run": "runs/a", "out": "x"}),
        ("--log-rate 50", {"log_rate": "50"}),
        ("--log_rate 50", {"log_rate": "50"}),
        ("--log-rate -1", {"log_rate": "-1"}),
        ("--whiten runs/a", {"whiten": "true", "run": "runs/a"}),
        ("--whiten false runs/a", {"whiten": "false", "run": "runs/a"}),
        ("--resume runs/a", {"resume": "runs/a"}),
        ("--resume --out x", {"resume": "true", "out": "x"}),
        ("runs/a --resume", {"run": "runs/a", "resume": "true"}),
        ("--training.batch-size 3", {"training.batch_size": "3"}),
        ("--objective.queue 3", {"objective.queue": "3"}),
        ("--out=a=b", {"out": "a=b"}),
    ],
)
def test_words_are_values_by_the_name_of_their_option(words: str, given: dict) -> None:
    assert parse_words(words.split(), OPTIONS) == given


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--otu x", "no option --otu: did you mean out? Allowed: log-rate, objective, out, "),
        ("--training.epoch 3", "no option --training.epoch: did you mean training.epochs?"),
        ("--encoder.width 3", "no option --encoder.width: "),
        ("--out", "--out needs a value: Where to"),
        ("--out --whiten", "--out needs a value"),
        ("--out x --out y", "--out is there twice: leave one out"),
        ("runs/a runs/b", "'runs/b' is one word too many"),
    ],
)
def test_words_that_cannot_be_understood(words: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_words(words.split(), OPTIONS)
    assert str(refused.value).startswith(message)


def test_a_positional_takes_all_words_that_are_left() -> None:
    files = [Option("paths", Path, positional=True, many=True), Option("out", Path)]
    assert parse_words(["a", "--out", "o", "b"], files) == {"paths": ["a", "b"], "out": "o"}


def test_a_class_and_its_arguments_are_one_block() -> None:
    words = {"objective.queue": "64", "objective": "MoCo", "data.source": "store"}
    assert tree(words) == {
        "objective": {"class": "MoCo", "queue": "64"},
        "data": {"source": "store"},
    }


def documented(
    run: Path,
    budgets: Sequence[str] = ("1", "all"),
    kind: Literal["a", "b"] = "a",
    n: int = 3,
    share: float | None = None,
    whiten: bool = False,
) -> None:
    """Do something.

    Parameters
    ----------
    run : Path
        Run folder or ``checkpoint`` [1]_. It is read.
    budgets : sequence of str
        Labels per class, shares (10 %; 50 %),
        or ``all``.
    kind, n : as they are
        What `kind` says; not more.

    Returns
    -------
    None
        Nothing.
    """


def test_help_is_the_first_sentence_of_numpydoc_without_markup() -> None:
    assert parameter_docs(documented) == {
        "run": "Run folder or checkpoint",
        "budgets": "Labels per class, shares (10 %; 50 %), or all",
        "kind": "What kind says",
        "n": "What kind says",
    }


def test_options_of_a_function_have_its_defaults() -> None:
    options = {option.name: option for option in options_of(documented, positional=("run",))}
    assert options["run"].positional
    assert options["run"].default is REQUIRED
    assert options["budgets"].default == ("1", "all")
    assert [option.placeholder for option in options.values()] == [
        "PATH",
        "A,B",
        "a|b",
        "N",
        "X",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", (1, 3)),
        ("a:\n- b:\n    c: 1\n    'c': 1\n", "c", (3, 4)),
        ("a: &x {b: 1}\nc: [*x, *x]\nd: {e: 1,\n  e: 2}\n", "e", (3, 4)),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: str, key: str, lines: tuple) -> None:
    with pytest.raises(SpecError, match=f"the key '{key}' is there twice, in line") as refused:
        parse_yaml(text)
    assert "in line {} and in line {}:".format(*lines) in str(refused.value)


@pytest.mark.parametrize("text", ["", "a", "a: {b: 1}\nc: {b: 1}", "a: &x {b: 1}\nc: *x", "a: 2"])
def test_what_has_no_key_twice_is_read_as_ever(text: str) -> None:
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "1E-3", ".1e-2", "1.e-3", "0.001"])
def test_every_way_to_write_a_number_is_one(text: str) -> None:
    assert parse_yaml(f"[{text}]") == [0.001]


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("data: {source: Größe}".encode("latin-1"))
    with pytest.raises(SpecError, match=r"latin\.yaml: this is not a text file"):
        read_yaml(file)

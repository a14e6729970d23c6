"""A suite as its results state it in, the units that the results must have out.

Only what needs no data is known: whose windows a dataset has is taken from the splits of its units,
and what a method or a protocol of somebody else declares from its units too, since their code is
not run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from tsclr.bench.methods import Method
from tsclr.bench.protocols import LeaveOneDatasetOut, Protocol
from tsclr.bench.results import METHOD_FACTS, PROTOCOL_FACTS
from tsclr.bench.unit import EMBEDDING, SEGMENTATION, Scoring, cell_names
from tsclr.data.splits import parse_budget
from tsclr.specs import SpecError, from_spec, subclasses

SIDES = ("train", "validation", "test")

T = TypeVar("T")
Entry = Mapping[str, Any]


def expected_units(suite: Entry, units: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """The units of a suite in their order: what it decides, and the rest as `units` have it.

    The ``cells`` of a unit are head, budget and number of label draws of each.
    """
    settings = {each.name: suite[each.name] for each in fields(Scoring) if each.name in suite}
    scoring = Scoring(**settings, n_seeds=len(suite["seeds"] or [0]))
    variants = list(_variants(suite))
    rest = list(units)
    for spec in suite["protocols"]:
        protocol = _shipped(Protocol, spec)
        together = isinstance(protocol, LeaveOneDatasetOut)
        for _ in range(1 if together else len(spec["datasets"] or suite["datasets"])):
            if not rest:
                raise ValueError(f"the results lack datasets that the suite has under {spec}")
            for fold, split in _folds(protocol, rest).items():
                of_fold = {"fold": fold, "split": split, **_of_protocol(protocol, fold)}
                for name, seed, method in variants:
                    unit = {**(rest.pop(0) if rest else {}), **of_fold, "seed": seed}
                    yield unit | _of_method(scoring, name, method, unit)


def _variants(suite: Entry) -> Iterator[tuple[str, int | None, Method | None]]:
    """Each method by its name; once for each of the seeds, if it has a seed."""
    for name, spec in suite["methods"].items():
        method = _shipped(Method, spec)
        seeded = "seed" in spec if method is None else hasattr(method, "seed")
        for seed in suite["seeds"] if seeded and suite["seeds"] else [None]:
            yield name, seed, method


def _folds(protocol: Protocol | None, units: Sequence[Entry]) -> dict[str, Any]:
    """Split of each fold of the dataset that the first unit is of, in the order of `units`."""
    task, split = _task(units[0]), units[0]["split"]
    stated = {unit["fold"]: unit["split"] for unit in units if _task(unit) == task}
    if protocol is None:
        return stated
    subjects = [name for side in SIDES for name in split[side]]
    # The order of the folds is that of the subjects in the store, which results do not have.
    splits = replace(protocol, max_folds=None).splits(subjects, split["test"])
    order = [*filter(splits.get, stated), *(fold for fold in splits if fold not in stated)]
    return {fold: vars(splits[fold]) for fold in order[: protocol.max_folds]}


def _task(unit: Entry) -> tuple[str, str]:
    """Dataset and protocol of a unit, without the fold that the name of some protocols has."""
    return unit["dataset"], unit["protocol"].partition(": ")[0]


def _of_protocol(protocol: Protocol | None, fold: str) -> dict[str, Any]:
    """What a protocol decides of a unit: its name there, and its attributes."""
    if protocol is None:
        return {}
    facts = {fact: getattr(protocol, fact) for fact in PROTOCOL_FACTS}
    return facts | {"protocol": protocol.name_with(fold)}


def _of_method(scoring: Scoring, name: str, method: Method | None, unit: Entry) -> dict[str, Any]:
    """What a method decides of a unit: its name with remarks, its attributes, and the cells."""
    stated = unit.get("cells", [])
    counted = {(head, budget): n_draws for head, budget, n_draws in stated}
    if method is None:
        facts = {fact: unit.get(fact, False) for fact in METHOD_FACTS}
        segmented = [(head, budget) for head, budget, _ in stated if head == SEGMENTATION]
        heads = dict.fromkeys(head for head, *_ in stated if head != SEGMENTATION)
        pairs = [*((head, str(b)) for head in heads for b in scoring.budgets), *segmented]
    else:
        facts = {fact: getattr(method, fact) for fact in METHOD_FACTS}
        pairs = cell_names(scoring, method, unit.get("by_subject", True))
    return facts | {
        "method": _label(name, facts["transductive"], unit.get("method", "")),
        "cells": [
            [head, budget, _n_draws(head, budget, scoring, counted.get((head, budget)))]
            for head, budget in pairs
            if head != EMBEDDING
        ],
    }


def _label(name: str, transductive: bool, stated: str) -> str:
    """The name of a method in results; remarks that only its config could tell are believed."""
    is_named = re.fullmatch(rf"{re.escape(name)}( \(.+\))?", stated)
    if is_named and transductive == ("transductive" in stated.removeprefix(name)):
        return stated
    return f"{name} (transductive)" if transductive else name


def _n_draws(head: str, budget: str, scoring: Scoring, stated: int | None) -> int:
    """Label draws of a cell; with all labels one, or a fit for each seed if fitting is random."""
    if head == SEGMENTATION:
        return 1
    if parse_budget(budget) is None:
        return scoring.n_seeds if stated == scoring.n_seeds else 1
    return scoring.draws


def _shipped(kind: type[T], spec: Entry) -> T | None:
    """A method or protocol of tsclr; None for one of somebody else."""
    if spec["class"] not in subclasses(kind):
        return None
    try:
        return from_spec(kind, spec)
    except SpecError as error:
        raise ValueError(
            f"the suite has {spec}, which this version of tsclr does not understand ({error}): use "
            "the version that its 'circumstances' name"
        ) from error

"""Confusion counts of the lines of a table in, which methods differ out.

A line is a dataset, a protocol, a method, a head and a budget.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tsclr.evaluate.significance import Counts, compare, compare_datasets

Lines = Mapping[tuple[str, ...], Counts]
"""Counts by dataset, protocol, method, head and budget."""


def unit_label(method: str, head: str) -> str:
    """Method and head as one name; a method with a head of its own name has no second one.

    Examples
    --------
    >>> unit_label("NT-Xent", "linear"), unit_label("supervised", "supervised")
    ('NT-Xent + linear', 'supervised')
    """
    return method if method == head else f"{method} + {head}"


def comparisons(counts: Lines, seed: int) -> list[dict[str, Any]]:
    """Each method under each head against the first, over the same label draws and subjects.

    Comparing every two would prove nothing with so few subjects. One test subject alone gives no
    comparison.
    """
    return [
        {"dataset": dataset, "protocol": protocol, "budget": budget, **row}
        for (dataset, protocol, budget), block in comparable(counts).items()
        for row in compare(block, next(iter(block)), seed).to_dict("records")
    ]


def pooled_comparisons(counts: Lines, seed: int) -> list[dict[str, Any]]:
    """As `comparisons`, over the people of all datasets of a protocol together.

    Of several cuts of one dataset the first counts: they are of the same people.
    """
    strata: dict[tuple[str, str], dict[str, dict[str, Counts]]] = {}
    for (dataset, protocol, budget), block in comparable(counts).items():
        of_budget = strata.setdefault((protocol, budget), {})
        if base_name(dataset) not in map(base_name, of_budget):
            of_budget[dataset] = block
    rows = []
    for (protocol, budget), blocks in strata.items():
        first = next(iter(blocks.values()))
        shared = [name for name in first if all(name in block for block in blocks.values())]
        # The reference is the first method of the suite, unless a dataset goes without it.
        if len(blocks) > 1 and len(shared) > 1 and shared[0] == next(iter(first)):
            people = {name: block[shared[0]].shape[1] for name, block in blocks.items()}
            about = {"protocol": protocol, "budget": budget, "people": people}
            compared = compare_datasets(blocks, shared[0], seed).to_dict("records")
            rows += [about | row for row in compared]
    return rows


def comparable(counts: Lines) -> dict[tuple[str, str, str], dict[str, Counts]]:
    """Counts by dataset, protocol and budget, if several methods were tested on several people.

    The counts of a method with fewer seeds than another are repeated, which changes no mean.
    """
    blocks: dict[tuple[str, str, str], dict[str, Counts]] = {}
    for (dataset, protocol, method, head, budget), of_line in counts.items():
        blocks.setdefault((dataset, protocol, budget), {})[unit_label(method, head)] = of_line
    return {
        task: repeated(block)
        for task, block in blocks.items()
        if len(block) > 1 and next(iter(block.values())).shape[1] > 1
    }


def repeated(block: Mapping[str, Counts]) -> dict[str, Counts]:
    """Counts of several methods, repeated until all have as many draws.

    Examples
    --------
    >>> counts = np.ones((3, 1, 2, 2), int)
    >>> [len(of_method) for of_method in repeated({"a": counts[:2], "b": counts}).values()]
    [6, 6]
    """
    n = int(np.lcm.reduce([len(counts) for counts in block.values()]))
    return {name: np.concatenate([counts] * (n // len(counts))) for name, counts in block.items()}


def base_name(dataset: str) -> str:
    """The dataset of which another one is a cut, with the same people.

    Examples
    --------
    >>> base_name("motionsense (8 s every 4 s)")
    'motionsense'
    """
    return dataset.partition(" (")[0]

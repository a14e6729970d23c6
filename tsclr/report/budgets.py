"""Order and names of label budgets."""

from collections.abc import Iterable

NUMBER, SHARE, WORD = range(3)
"""Kinds of budgets: labels per class ("5"), a share of the labels ("10%"), or a word ("all")."""


def ordered_budgets(budgets: Iterable[str]) -> list[str]:
    """Different budgets from few labels to many: numbers by size, then shares by size, then words.

    Examples
    --------
    >>> ordered_budgets(["all", "10%", "5", "10", "5%", "5"])
    ['5', '10', '5%', '10%', 'all']
    """
    return sorted(dict.fromkeys(budgets), key=_kind_and_size)


def in_words(budget: str) -> str:
    """A budget as a sentence names it.

    Examples
    --------
    >>> [in_words(budget) for budget in ("1", "5", "10%", "all")]
    ['1 label per class', '5 labels per class', '10 % of the labels', 'all labels']
    """
    kind, size = _kind_and_size(budget)
    if kind == NUMBER:
        return f"{budget} label{'' if size == 1 else 's'} per class"
    return f"{budget[:-1]} % of the labels" if kind == SHARE else f"{budget} labels"


def measure(budgets: Iterable[str]) -> str:
    """What the budgets of an axis or of a table count.

    Examples
    --------
    >>> measure(["1", "5", "all"])
    'labelled windows per class'
    >>> measure(["5", "10%"])
    'labelled windows per class or share of the labelled windows'
    >>> measure(["all"])
    'labelled windows'
    """
    kinds = {_kind_and_size(budget)[0] for budget in budgets}
    words = {NUMBER: "labelled windows per class", SHARE: "share of the labelled windows"}
    return " or ".join(words[kind] for kind in words if kind in kinds) or "labelled windows"


def _kind_and_size(budget: str) -> tuple[int, float]:
    """Sort key of a budget; words have no size."""
    for kind, digits in ((NUMBER, budget), (SHARE, budget.removesuffix("%"))):
        try:
            return kind, float(digits)
        except ValueError:
            continue
    return WORD, 0.0

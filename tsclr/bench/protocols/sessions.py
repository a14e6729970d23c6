"""Protocols that test the people who were trained on, in a session that was not.

They show how well a device that knows its wearer does. The samples of a session are in one place
only, its wearer is in both: these protocols declare it (`Protocol.apart`), and so do the results.
"""

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Int

from tsclr.bench.protocols.base import Protocol
from tsclr.data.store import Store

__all__ = ["AnotherDay", "AnotherTrial"]

LAST, EARLIER = ", last", ", earlier"
"""What follows the name of a person: the sessions that are tested, and all others."""
DAY = 24 * 3600 * 10**9
"""Nanoseconds of a day."""


class SamePeople(Protocol):
    """Base of the protocols that divide the sessions of each person.

    The subjects that are divided are *the last sessions* and *the earlier sessions* of a person. A
    session is tested if it shows a class that no tested one shows, and earlier sessions of the
    person show all of its classes. People of whom no session qualifies are only trained on.
    """

    arranges: ClassVar[bool] = True

    @abstractmethod
    def sessions(self, recordings: pd.DataFrame) -> Int[np.ndarray, " R"]:
        """Session of each recording, a number that grows with time.

        Parameters
        ----------
        recordings : DataFrame
            The table of a store.
        """

    def arranged(self, store: Store, classes: Sequence[str], official: Sequence[str]) -> Store:
        """The recordings under the names of the last and the earlier sessions of each person.

        Parameters
        ----------
        store : Store
            The recordings under the names of people.
        classes : sequence of str
            Classes that are scored.
        official : sequence of str
            Ignored: everybody is tested.
        """
        table, names = store.recordings, store.recordings["subject"].to_numpy(object)
        sessions = self.sessions(table).tolist()
        shown = [set(json.loads(labels)) & set(classes) for labels in table["labels"]]
        last = set()
        for person in store.subjects:
            by_session: dict[int, set[str]] = {}
            for row in np.flatnonzero(names == person):
                by_session.setdefault(sessions[row], set()).update(shown[row])
            last |= {(person, session) for session in last_sessions(by_session)}
        tested = [pair in last for pair in zip(names, sessions, strict=True)]
        if not last:
            raise ValueError(f"no two {self.apart} show the same classes: use another protocol")
        subjects = np.where(tested, names + LAST, names + EARLIER)
        return replace(store, recordings=table.assign(subject=subjects), maps=(), source=None)

    def person(self, subject: str) -> str:
        """The name before what `arranged` has added."""
        return subject.rpartition(", ")[0]

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The last sessions of everybody."""
        return {"last": [name for name in subjects if name.endswith(LAST)]}


@dataclass(frozen=True)
class AnotherTrial(SamePeople):
    """The last trial of each person, one fold; the same people are trained on in earlier trials.

    A trial is a log file, with all of its stretches. Trials are in the order of their start, or in
    that of the store where they have no time. Where a trial shows one class only, the last trial of
    each class is tested.

    Examples
    --------
    >>> AnotherTrial().splits(["1, earlier", "1, last", "2, earlier", "2, last"], [])
    {'last': Split(train=('1, earlier',), validation=('2, earlier',), test=('1, last', '2, last'))}
    """

    apart: ClassVar[str] = "trials of a person"

    @property
    def title(self) -> str:
        """Its name in results."""
        return "another trial of the same people"

    def sessions(self, recordings: pd.DataFrame) -> Int[np.ndarray, " R"]:
        """Number of the file that a recording is from."""
        table = recordings.reset_index(drop=True)
        order = table.sort_values("start_time", kind="stable").index
        files = table.loc[order].groupby(["subject", "source_hash", "name"], sort=False).ngroup()
        return files.sort_index().to_numpy()


@dataclass(frozen=True)
class AnotherDay(SamePeople):
    """The last day of each person, one fold; the same people are trained on on earlier days.

    Days are those of UTC. Recordings need start times.

    Raises
    ------
    ValueError
        On use, if a recording has no start time, or nobody was recorded on two days.

    Examples
    --------
    >>> AnotherDay().title
    'another day of the same people'
    """

    apart: ClassVar[str] = "days of a person"

    @property
    def title(self) -> str:
        """Its name in results."""
        return "another day of the same people"

    def sessions(self, recordings: pd.DataFrame) -> Int[np.ndarray, " R"]:
        """Number of the day on which a recording began."""
        times = recordings["start_time"].to_numpy()
        untimed = recordings.loc[times == 0, "name"].tolist()
        if untimed:
            raise ValueError(
                f"recording {untimed[0]!r} has no start time, so its day is not known: give the "
                "logs time stamps, or use AnotherTrial"
            )
        return times // DAY


def last_sessions(shown: dict[int, set[str]]) -> list[int]:
    """The sessions of a person to test, given the classes that each shows; later ones are larger.

    Examples
    --------
    >>> last_sessions({1: {"walk", "sit"}, 2: {"walk", "sit"}, 3: {"walk", "sit"}})
    [3]
    >>> last_sessions({1: {"walk"}, 2: {"sit"}, 3: {"walk"}, 4: {"sit"}, 5: {"run"}})
    [4, 3]
    """
    tested: list[int] = []
    covered: set[str] = set()
    for session in sorted(shown, reverse=True):
        earlier = [shown[other] for other in shown if other < session]
        if shown[session] - covered and shown[session] <= set().union(*earlier):
            tested.append(session)
            covered |= shown[session]
    return tested

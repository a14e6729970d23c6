"""Which recordings are the same, also where a store was copied, moved or made anew."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from tsclr.data.store import Store


def canonical_source(source: str) -> str:
    """One name for a store, however and from wherever its folder is written.

    Parameters
    ----------
    source : str
        Folder of a store, or name of a dataset.

    Examples
    --------
    >>> canonical_source("HAPT")
    'hapt'
    """
    return str(Path(source).resolve()) if Path(source).is_dir() else source.lower()


def fingerprints(store: Store, subjects: tuple[str, ...]) -> list[str]:
    """What tells the recordings of `subjects` in a store that was copied, moved or made anew.

    It is the hash of the file that they came from, with that of the subject behind it where a file
    holds several. Of those that came from no file it is that of their samples: at another rate they
    are others.

    Parameters
    ----------
    store : Store
        Any store.
    subjects : tuple of str
        Whose recordings.
    """
    table = store.recordings
    people = table.groupby("source_hash")["subject"].nunique()
    found = set()
    for row in table.loc[table["subject"].isin(list(subjects))].to_dict("records"):
        file = row["source_hash"]
        if not file:
            samples = store.signal[row["start"] : row["start"] + row["length"]]
            found.add(sha256(samples.data).hexdigest())
        elif people[file] == 1:
            found.add(file)
        else:
            found.add(f"{file}/{sha256(row['subject'].encode()).hexdigest()}")
    return sorted(found)


def seen_before(store: Store, subject: str, seen: Iterable[str]) -> bool:
    """Whether something of a subject is among what was seen.

    A file that is one person in one store and several in another was seen as a whole.

    Parameters
    ----------
    store : Store
        Where the subject is.
    subject : str
        Its name there.
    seen : iterable of str
        As `fingerprints` gave them.
    """
    own, seen = set(fingerprints(store, (subject,))), set(seen)
    own_files, seen_files = ({each.partition("/")[0] for each in side} for side in (own, seen))
    return bool(own & seen or own_files & seen or own & seen_files)

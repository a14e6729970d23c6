"""Which recordings are the same, even if their store was copied, moved or made again."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from tsclr.data.store import Store


def canonical_source(source: str) -> str:
    """One name for a store, however and from wherever its folder is written.

    Examples
    --------
    >>> canonical_source("HAPT")
    'hapt'
    """
    return str(Path(source).resolve()) if Path(source).is_dir() else source.lower()


def fingerprints(store: Store, subjects: tuple[str, ...]) -> list[str]:
    """Hashes that recognise the recordings of `subjects` in a store that was copied or made again.

    A recording has the hash of the file it came from, followed by that of the subject where the
    file holds several. A recording that came from no file has the hash of its samples, which is
    another one at another rate.
    """
    table = store.recordings
    people = table.groupby("source_hash")["subject"].nunique()
    hashes = set()
    for row in table.loc[table["subject"].isin(list(subjects))].to_dict("records"):
        file = row["source_hash"]
        if not file:
            samples = store.signal[row["start"] : row["start"] + row["length"]]
            hashes.add(sha256(samples.data).hexdigest())
        elif people[file] == 1:
            hashes.add(file)
        else:
            hashes.add(f"{file}/{sha256(row['subject'].encode()).hexdigest()}")
    return sorted(hashes)


def seen_before(store: Store, subject: str, seen: Iterable[str]) -> bool:
    """Whether something of a subject is among what was seen.

    A file that is one person in one store and several in another was seen as a whole.
    """
    here, seen = set(fingerprints(store, (subject,))), set(seen)
    files_here, files_seen = ({name.partition("/")[0] for name in side} for side in (here, seen))
    return bool(here & seen or files_here & seen or here & files_seen)

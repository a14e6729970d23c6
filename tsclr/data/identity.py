"""Which recordings and stores are the same: by their name, by their samples, or to the last bit.

======================  =========================================  ===============================
what                    question                                   what is hashed
======================  =========================================  ===============================
`Store.sketches`        Is this recording that one, saved again    landmarks of the samples (see
                        under whatever name?                       `tsclr.data.landmarks`)
`fingerprints`          Which files has pretraining seen?          the source file; samples where
                                                                   there is none
`recording_hashes`      Which recording does a row of a            file and name; dataset, subject
                        provenance speak of?                       and name where there is no file
`store_hash`            Is this exactly the store that a cached    all samples, labels and the
                        result was computed from?                  table of recordings
======================  =========================================  ===============================

They cannot be one. A leak is found by sketches, and by files as well: a recording without movement
has no landmarks. A provenance names a recording by what does not depend on the rate or channels
that one run chose. A cached result must be computed anew if a single sample or label changes. Runs
and published results hold these hashes: a change to one of them makes older results unreadable.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from tsclr.data.landmarks import Sketch, same_pairs
from tsclr.data.store import Store
from tsclr.files import digest


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


def sketches(store: Store, subjects: tuple[str, ...]) -> list[Sketch]:
    """The sketches of the recordings of `subjects`, without the empty ones."""
    chosen = store.recordings["subject"].isin(list(subjects))
    return [store.sketches[row] for row in np.flatnonzero(chosen) if len(store.sketches[row])]


def seen_before(
    store: Store, subject: str, seen: Iterable[str], seen_sketches: Sequence[Sketch]
) -> bool:
    """Whether something of a subject is among the files that were seen, or has their samples.

    A file that is one person in one store and several in another was seen as a whole.
    """
    hashes, seen = set(fingerprints(store, (subject,))), set(seen)
    files, files_seen = ({name.partition("/")[0] for name in side} for side in (hashes, seen))
    if hashes & seen or files & seen or hashes & files_seen:
        return True
    return any(same_pairs(sketches(store, (subject,)), seen_sketches))


def shared_recordings(one: Store, other: Store) -> Iterator[str]:
    """Names of the recordings of the second store that are also in the first, under any name."""
    copies = {index for _, index in same_pairs(one.sketches, other.sketches)}
    files = set(one.recordings["source_hash"]) - {""}
    for index, (name, file) in enumerate(
        other.recordings[["name", "source_hash"]].to_numpy().tolist()
    ):
        if file in files or index in copies:
            yield name


def recording_hashes(store: Store, dataset: str) -> np.ndarray:
    """Hash of each recording in a provenance, the same in any store if it came from a file.

    A recording that came from no file is named by its dataset and subject. Recordings of one
    subject that share a name are stretches of one file and get a number; the same file under
    another subject is a copy and gets the same hashes.
    """
    columns = store.recordings[["source_hash", "subject", "name"]].astype(str)
    n_stretches: Counter[tuple[str, str, str]] = Counter()
    hashes = []
    for source, subject, name in columns.to_numpy():
        words = (source, name) if source else (dataset, subject, name)
        number = n_stretches[source, subject, name]
        n_stretches[source, subject, name] += 1
        hashes.append(hashed(*words, *[str(number)] * (number > 0)))
    return np.array(hashes, object)


def hashed(*words: str) -> str:
    """Hash that names something in a provenance, such as a subject by its dataset and name.

    It is the first 16 hex digits of a SHA-256 over the words in their order.

    Examples
    --------
    >>> len(hashed("hapt", "2")), hashed("hapt", "2") == hashed("hap", "t2")
    (16, False)
    """
    return sha256(json.dumps(words).encode()).hexdigest()[:16]


def store_hash(store: Store) -> str:
    """Hash of all samples and labels of a store, and of its table of recordings."""
    samples = sha256(store.signal.data)
    samples.update(store.labels.data)
    # Paths, readers and repairs may differ where all samples are the same.
    table = store.recordings.drop(columns=["source", "reader", "repairs"]).to_dict("records")
    return digest(samples.hexdigest(), table, store.channels, store.sample_rate, store.classes)

"""What a run has seen of a store: whether it was pretrained there, and on whom."""

from collections.abc import Sequence

from tsclr.data.identity import fingerprints, seen_before
from tsclr.data.landmarks import from_text
from tsclr.data.splits import LeakError
from tsclr.data.store import Store
from tsclr.embed.checkpoint import Checkpoint


def was_pretrained_on(checkpoint: Checkpoint, store: Store, source: str) -> bool:
    """Whether a run was pretrained on a store, or on a copy of it in another place."""
    used, settings = checkpoint.split, checkpoint.settings
    if settings["place"] == source:  # spares hashing the recordings
        return True
    recordings = set(settings["seen"])
    used_here = fingerprints(store, (*used.train, *used.validation))
    return bool(recordings) and recordings <= set(used_here)


def check_unseen(checkpoint: Checkpoint, store: Store, source: str, test: Sequence[str]) -> None:
    """Raise ``LeakError`` if a run was trained or validated on one of the test subjects.

    They are known by their names in the same store, by their files, and by their samples.
    """
    used, settings = checkpoint.split, checkpoint.settings
    same_source = settings["place"] == source
    sketches = list(map(from_text, settings.get("sketches", ())))  # older runs have none

    def has_seen(subject: str) -> bool:
        by_name = same_source and subject in (*used.train, *used.validation)
        return by_name or seen_before(store, subject, settings["seen"], sketches)

    leaked = sorted(filter(has_seen, test))
    if not leaked:
        return
    unseen = [subject for subject in store.subjects if not has_seen(subject)]
    others = f"it has not seen {', '.join(unseen)}: name them with --test {','.join(unseen)}, or "
    raise LeakError(
        f"pretraining has seen the test subjects {', '.join(leaked)}; "
        f"{others if unseen else 'it has seen everybody here: '}pretrain again and leave them out "
        f"with --data.test {','.join(leaked)}"
    )

"""The protocol that tests other people on a device, or a placement, that was not trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tsclr.bench.protocols.base import Protocol
from tsclr.data.store import Store
from tsclr.specs import nearest
from tsclr.types import Recording

__all__ = ["AnotherDevice"]


@dataclass(frozen=True)
class AnotherDevice(Protocol):
    """Test subjects on one device, one fold; the others are trained on with all other devices.

    Devices are those of the recordings, or those that the channels name: ``phone_acc_x`` and
    ``watch_acc_x`` become ``acc_x`` on two devices. Only channels that all devices have are used.

    Parameters
    ----------
    device : str
        Device, or placement, that is tested.
    test : list of str, optional
        Test subjects; those that the dataset documents by default.

    Raises
    ------
    ValueError
        On use, if there is no such device, or no other one.

    Examples
    --------
    >>> AnotherDevice("watch").splits(["1", "2", "3", "4"], ["4"])
    {'another device': Split(train=('1', '2'), validation=('3',), test=('4',))}
    """

    device: str
    test: list[str] | None = None
    apart: ClassVar[str] = "people and devices"
    arranges: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """Its name in results."""
        on = f", test on {' '.join(self.test)}" if self.test else ""
        return f"other people on another device ({self.device}){on}"

    def arranged(self, store: Store, classes: Sequence[str], official: Sequence[str]) -> Store:
        """The recordings of the device of test subjects, and of the other devices of others.

        Parameters
        ----------
        store : Store
            The recordings of everybody on all devices.
        classes : sequence of str
            Ignored.
        official : sequence of str
            Test subjects that the dataset documents.
        """
        devices = devices_of(store)
        if self.device not in devices:
            raise ValueError(f"no device {self.device!r}: {nearest(self.device, devices)}")
        if len(devices) < 2:
            raise ValueError(
                f"{self.device} is the only device, so there is none to train on: use another "
                "protocol"
            )
        tested = self.test or list(official)
        kept = (
            recording
            for recording in by_device(store)
            if (recording.device == self.device) == (recording.subject in tested)
        )
        return Store.build(kept, store.sample_rate)

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The test subjects."""
        if not (self.test or official):
            raise ValueError("no test subjects are documented: name them with `test`")
        return {"another device": list(self.test or official)}


def devices_of(store: Store) -> list[str]:
    """The devices that channels name, or those of the recordings if the channels name none."""
    named = dict.fromkeys(_device(channel) for channel in store.channels)
    return list(named) if all(named) else store.recordings["device"].unique().tolist()


def by_device(store: Store) -> Iterator[Recording]:
    """The recordings of each device by themselves, with the channels that all devices have."""
    named = dict.fromkeys(_device(channel) for channel in store.channels)
    rows = store.recordings.to_dict("records")
    if not all(named):
        every = range(len(store.channels))
        yield from (_recording(store, row, every, store.channels, row["device"]) for row in rows)
        return
    columns = {
        device: {
            _on_device(channel): index
            for index, channel in enumerate(store.channels)
            if _device(channel) == device
        }
        for device in named
    }
    shared = [
        channel
        for channel in dict.fromkeys(map(_on_device, store.channels))
        if all(channel in of_device for of_device in columns.values())
    ]
    if not shared:
        raise ValueError(f"the devices {', '.join(named)} have no channel in common")
    for row in rows:
        for device, of_device in columns.items():
            chosen = [of_device[channel] for channel in shared]
            recording = row | {"name": f"{row['name']}, {device}"}
            yield _recording(store, recording, chosen, shared, device)


def _device(channel: str) -> str:
    """Device that a channel names: ``watch`` of ``watch_acc_x``, nothing of ``acc_x``."""
    return "_".join(channel.split("_")[:-2])


def _on_device(channel: str) -> str:
    """A channel without its device: ``acc_x`` of ``watch_acc_x``."""
    return "_".join(channel.split("_")[-2:])


def _recording(
    store: Store, row: dict[str, Any], columns: Sequence[int], channels: Sequence[str], device: str
) -> Recording:
    """A row of the table of recordings with its samples."""
    stretch = slice(row["start"], row["start"] + row["length"])
    return Recording(
        signal=store.signal[stretch, list(columns)],
        sample_rate=store.sample_rate,
        channels=tuple(channels),
        subject=row["subject"],
        name=row["name"],
        device=device,
        labels=store.labels[stretch],
        classes=store.classes,
        start_time=row["start_time"],
        source=row["source"],
        source_hash=row["source_hash"],
    )

"""``python -m benchmarks.landmarks``: how often a recording saved again is found, or one mistaken.

Every recording of at least 10 s of the public datasets is changed in each way of `CHANGES` and
compared with the original. Then every recording is compared with every other.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results_folder import keep
from tsclr import signals
from tsclr.data.landmarks import Sketch, is_same, same_pairs, sketch
from tsclr.data.store import Store

DATASETS = ("hapt", "motionsense", "wisdm", "sp_sw", "basic_motions")
SHORTEST = 10.0

Change = Callable[[np.ndarray, float], tuple[np.ndarray, float]]
"""Signal and rate in, those of a copy out."""


def delayed(signal: np.ndarray, samples: float) -> np.ndarray:
    """What a clock that starts later would have sampled, by linear interpolation."""
    grid = np.arange(len(signal) - 1) + samples
    return np.stack([np.interp(grid, np.arange(len(signal)), axis) for axis in signal.T], axis=1)


def at(target: float) -> Change:
    """A change to another rate."""
    return lambda signal, rate: (signals.resample(signal, rate, target), target)


def everything_at_once(signal: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
    """Three channels, a cut start, another clock, 20 Hz and three decimals."""
    copy = delayed(signal[int(3 * rate) :, :3], 0.007 * rate)
    return np.round(signals.resample(copy, rate, 20.0), 3), 20.0


CHANGES: dict[str, Change] = {
    "4 decimals": lambda x, rate: (np.round(x, 4), rate),
    "3 decimals": lambda x, rate: (np.round(x, 3), rate),
    "2 decimals": lambda x, rate: (np.round(x, 2), rate),
    "half precision": lambda x, rate: (x.astype(np.float16).astype(np.float32), rate),
    "units not declared": lambda x, rate: (9.80665 * x, rate),
    "standardised": lambda x, rate: ((x - x.mean(0)) / (x.std(0) + 1e-9), rate),
    "upside down": lambda x, rate: (-x, rate),
    "channels in another order": lambda x, rate: (x[:, ::-1], rate),
    "three channels": lambda x, rate: (x[:, :3], rate),
    "one channel": lambda x, rate: (x[:, 1:2], rate),
    "cut by 3 s and 2 s": lambda x, rate: (x[int(3 * rate) : -int(2 * rate)], rate),
    "the second half": lambda x, rate: (x[len(x) // 2 :], rate),
    "7 ms later": lambda x, rate: (delayed(x, 0.007 * rate), rate),
    "half a sample later": lambda x, rate: (delayed(x, 0.5), rate),
    "at 100 Hz": at(100.0),
    "at 25 Hz": at(25.0),
    "at 20 Hz": at(20.0),
    "20 Hz, 3 channels, 7 ms, cut, 3 decimals": everything_at_once,
}


def recordings(store: Store) -> list[np.ndarray]:
    """The signal of each recording."""
    spans = store.recordings[["start", "length"]].to_numpy().tolist()
    return [store.signal[start : start + length] for start, length in spans]


def found(store: Store) -> dict[str, Any]:
    """How many recordings of a dataset are known after each change, and what a sketch costs."""
    signals_of, rate = recordings(store), store.sample_rate
    began = time.process_time()
    sketches = [sketch(signal, rate) for signal in signals_of]
    seconds = time.process_time() - began
    long = [index for index, signal in enumerate(signals_of) if len(signal) >= SHORTEST * rate]
    known = {
        name: sum(is_same(sketches[k], sketch(*change(signals_of[k], rate))) for k in long)
        for name, change in CHANGES.items()
    }
    return {
        "recordings": len(long),
        "seconds_per_hour": seconds / (len(store.signal) / rate / 3600),
        "bytes": max(one.nbytes for one in sketches),
        **known,
    }


def mistaken(sketches: dict[str, Sketch]) -> dict[str, Any]:
    """Pairs of different recordings that are taken for the same, and the most that any share."""
    names, each = list(sketches), list(sketches.values())
    owners: dict[int, list[int]] = {}
    for index, hashes in enumerate(each):
        for value in hashes.tolist():
            owners.setdefault(value, []).append(index)
    shared = Counter(pair for group in owners.values() for pair in itertools.combinations(group, 2))
    same = {(one, other) for one, other in same_pairs(each, each) if one < other}
    return {
        "pairs": len(each) * (len(each) - 1) // 2,
        "taken for the same": [[names[one], names[other]] for one, other in sorted(same)],
        "most shared by others": max(n for pair, n in shared.items() if pair not in same),
    }


def main() -> None:
    """Measure and keep the figures."""
    figures, sketches = {}, {}
    for name in DATASETS:
        store = Store.load(name)
        figures[name] = found(store)
        keys = [f"{name} {recording}" for recording in store.recordings["name"]]
        sketches |= dict(zip(keys, store.sketches, strict=True))
    pairs = mistaken(sketches)
    print(pd.DataFrame(figures).to_string(), pairs, sep="\n")
    keep("landmarks", {"found": figures, "mistaken": pairs})


if __name__ == "__main__":
    main()

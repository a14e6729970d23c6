"""``python -m benchmarks.memory``: peak resident memory of pretraining, small store and large.

Stores of 10 and 100 million rows are simulated on disk, and a process of its own pretrains on each
for the same number of steps.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.results_folder import keep
from tsclr.augment import Jitter, Rotate
from tsclr.data.settings import Data
from tsclr.data.store import LABELS, SIGNAL, TABLE
from tsclr.data.table import StoreTable
from tsclr.encoders import CNN1d
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.train.pretrain import pretrain
from tsclr.train.settings import Training
from tsclr.types import Recording

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
ROWS_EACH = 1_000_000
SIZES = (10_000_000, 100_000_000)


def simulate(folder: Path, n_rows: int) -> None:
    """Write a store of noise, a recording of a million rows for each subject."""
    draft, generator = StoreTable(), np.random.default_rng(0)
    folder.mkdir(parents=True)
    with (folder / SIGNAL).open("wb") as signal_file, (folder / LABELS).open("wb") as label_file:
        for number in range(n_rows // ROWS_EACH):
            noise = generator.standard_normal((ROWS_EACH, len(CHANNELS)), np.float32)
            signal, labels = draft.add(
                Recording(
                    signal=noise,
                    sample_rate=50.0,
                    channels=CHANNELS,
                    subject=str(number),
                    name=str(number),
                )
            )
            signal.tofile(signal_file)
            labels.tofile(label_file)
    draft.write(folder / TABLE)


def train(folder: Path) -> None:
    """Pretrain for 4 x 100 steps and print the peak of the resident memory in MiB."""
    pretrain(
        Data(str(folder / "store")),
        CNN1d,
        NTXent(hidden=64, width=32),
        [Rotate(), Jitter()],
        Neighbour(),
        Training(epochs=4, windows_per_epoch=25_600),
        folder / "run",
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mib": round(peak)}))


def main() -> None:
    """Measure both sizes and keep the figures."""
    rows = []
    for n_rows in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            simulate(Path(folder, "store"), n_rows)
            size = Path(folder, "store", SIGNAL).stat().st_size / 2**20
            command = [sys.executable, "-m", "benchmarks.memory", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peak = json.loads(done.stdout.splitlines()[-1])
            rows.append({"rows": n_rows, "store_mib": round(size)} | peak)
            print(rows[-1])
    keep("memory", {"pretraining": rows})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train(Path(sys.argv[1]))
    else:
        main()

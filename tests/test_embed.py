from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.embedder import Embedder
from tsclr.embed.vectors import embed_store, write_vectors
from tsclr.embed.whitening import PairWhitening


@pytest.fixture(scope="module")
def windows(tiny_store: Path) -> Windows:
    return Windows.labelled(Store.open(tiny_store), 128, 64)


@pytest.fixture(scope="module")
def X(windows: Windows) -> np.ndarray:
    return windows.take(range(40)).numpy()


def test_vectors_are_the_features_of_the_encoder(tiny_run: Path, X: np.ndarray) -> None:
    with torch.inference_mode():
        expected = Checkpoint.load(tiny_run).encoder()(torch.from_numpy(X)).numpy()
    np.testing.assert_array_equal(Embedder.load(tiny_run).transform(X), expected)


def test_a_vector_does_not_depend_on_its_batch(tiny_run: Path, X: np.ndarray) -> None:
    one_by_one = Embedder(tiny_run, batch_size=1).transform(X)
    np.testing.assert_allclose(one_by_one, Embedder(tiny_run).transform(X), atol=1e-5)


def test_it_works_in_a_pipeline_and_clones(tiny_run: Path, X: np.ndarray, windows: Windows) -> None:
    pipeline = make_pipeline(Embedder(str(tiny_run)), LogisticRegression(max_iter=500))
    labels = np.arange(len(X)) % 2
    fitted = clone(pipeline).fit(X, labels)
    assert fitted.predict(X).shape == (len(X),)


def test_whitened_vectors_are_those_of_the_run(tiny_run: Path, X: np.ndarray) -> None:
    arrays = {k: v.numpy() for k, v in Checkpoint.load(tiny_run).section("readout").items()}
    expected = PairWhitening.from_arrays(arrays).transform(Embedder.load(tiny_run).transform(X))
    np.testing.assert_allclose(Embedder.load(tiny_run, whiten=True).transform(X), expected)


def test_a_run_without_whitening_says_so(tiny_run: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint.load(tiny_run)
    kept = {k: v for k, v in checkpoint.tensors.items() if not k.startswith("readout.")}
    Checkpoint(kept, checkpoint.settings).save(tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="has no whitening"):
        Embedder.load(tmp_path / "c.safetensors", whiten=True)


def test_saved_elsewhere_it_gives_the_same_vectors(
    tiny_run: Path, X: np.ndarray, tmp_path: Path
) -> None:
    Embedder(tiny_run).save(tmp_path / "copy.safetensors")
    np.testing.assert_array_equal(
        Embedder.load(tmp_path / "copy.safetensors").transform(X), Embedder(tiny_run).transform(X)
    )


def test_swapped_axes_name_the_transpose(tiny_run: Path, X: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"X\.transpose\(0, 2, 1\)"):
        Embedder(tiny_run).transform(X.transpose(0, 2, 1))


def test_a_single_window_is_told_apart(tiny_run: Path, X: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"X\[None\]"):
        Embedder(tiny_run).transform(X[0])


def test_another_length_is_refused(tiny_run: Path, X: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 6, 128\)"):
        Embedder(tiny_run).transform(X[:, :, :100])


def test_not_finite_windows_are_counted(tiny_run: Path, X: np.ndarray) -> None:
    broken = X.copy()
    broken[[3, 7], 0, 5] = [np.nan, np.inf]
    with pytest.raises(ValueError, match=r"2 of 40 windows .* the first is window 3"):
        Embedder(tiny_run).transform(broken)


def test_a_store_becomes_a_table_in_order(tiny_run: Path, tiny_store: Path, tmp_path: Path) -> None:
    store, embedder = Store.open(tiny_store), Embedder.load(tiny_run)
    n_windows = write_vectors(embedder, store, 128, tmp_path / "v.parquet")
    table = pd.read_parquet(tmp_path / "v.parquet")
    streams = Windows.sliding(store, 128, 128)
    assert len(table) == n_windows == len(streams)
    expected = embedder.transform(streams.take(range(len(streams))).numpy())
    np.testing.assert_allclose(table.filter(regex=r"^v\d+$").to_numpy(), expected, atol=1e-5)
    middle = store.labels[streams.starts + 64]
    assert table["label"].tolist() == [store.classes[k] if k >= 0 else "" for k in middle]
    first = store.recordings.iloc[0]
    assert table["time"].iloc[1] - first["start_time"] == round(128 / 50 * 1e9)
    assert set(table["subject"]) == set(store.subjects)


def test_a_store_with_other_channels_or_rate_is_refused(tiny_run: Path, tiny_store: Path) -> None:
    store, embedder = Store.open(tiny_store), Embedder(tiny_run)
    acc = Store(
        store.signal[:, :3], store.labels, store.recordings, store.channels[:3], 50.0, store.classes
    )
    with pytest.raises(ValueError, match=r"channels acc_x, acc_y, acc_z, the encoder"):
        next(embed_store(embedder, acc, 64))
    slow = Store(store.signal, store.labels, store.recordings, store.channels, 25.0, store.classes)
    with pytest.raises(
        ValueError, match="ingest the logs again into another store, with --rate 50"
    ):
        next(embed_store(embedder, slow, 64))

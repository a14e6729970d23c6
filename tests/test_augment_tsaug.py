"""tsaug inside ours, and as an oracle: what our transforms make of its random draws."""

import copy
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.signal import get_window

from tests.support.views import batch, seeded
from tsclr import specs
from tsclr.augment import (
    Augmentation,
    Chain,
    Crop,
    Drift,
    FromTsaug,
    Jitter,
    OneOf,
    Pool,
    Quantize,
    RandomOrder,
    Reverse,
    SampleDropout,
    SomeOf,
    TimeMask,
    TimeWarp,
)
from tsclr.augment.base import Gated
from tsclr.augment.converter import Grid
from tsclr.augment.frequency import Smooth
from tsclr.augment.time import Span, interpolate
from tsclr.cli import main
from tsclr.embed.checkpoint import Checkpoint

with warnings.catch_warnings():  # tsaug uses a name that SciPy has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import tsaug

EVERY = {
    "noise": tsaug.AddNoise(scale=(0.1, 0.3), loc=[0.0, 1.0], distr="laplace", prob=0.5),
    "convolve": tsaug.Convolve(window=["hann", ("kaiser", 4.0)], size=(3, 8)),
    "crop": tsaug.Crop(size=[40, 50], resize=64),
    "drift": tsaug.Drift(max_drift=(0.1, 0.5), n_drift_points=[2, 3], kind="multiplicative"),
    "dropout": tsaug.Dropout(p=(0.1, 0.2), size=[1, 4], fill=0.0),
    "pool": tsaug.Pool(kind="max", size=(2, 5), per_channel=True),
    "quantize": tsaug.Quantize(n_levels=[8, 16], how="uniform"),
    "reverse": tsaug.Reverse(prob=0.5),
    "time_warp": tsaug.TimeWarp(n_speed_change=2, max_speed_ratio=(1.5, 2.5)),
    "pipeline": tsaug.AddNoise(normalize=False) + tsaug.Reverse() @ 0.5 + tsaug.Drift(),
}
NOISE = {"name": "AddNoise", "scale": 1.0, "normalize": False}
every = pytest.mark.parametrize("augmenter", EVERY.values(), ids=EVERY)


def to_tsaug(x: torch.Tensor) -> np.ndarray:
    """Windows as tsaug takes them, (N, T, C)."""
    return x.mT.contiguous().numpy()


def from_tsaug(X: np.ndarray) -> torch.Tensor:
    """What tsaug gave, as (B, C, T)."""
    return torch.from_numpy(np.ascontiguousarray(X.swapaxes(1, 2)))


# ---------------------------------------------------------------- the adapter


@every
def test_what_it_holds_goes_through_json(augmenter):
    view, x = FromTsaug(augmenter), batch()
    spec = json.loads(json.dumps(specs.spec_of(view)))
    rebuilt = specs.from_spec(Augmentation, spec)
    assert specs.spec_of(rebuilt) == spec
    assert torch.equal(rebuilt(x, seeded()), view(x, seeded()))


def test_intervals_and_choices_are_told_apart():
    assert FromTsaug(EVERY["convolve"] + EVERY["time_warp"]).augmenter == [
        {
            "name": "Convolve",
            "window": ["hann", {"tuple": ["kaiser", 4.0]}],
            "size": {"tuple": [3, 8]},
            "per_channel": False,
            "prob": 1.0,
        },
        {
            "name": "TimeWarp",
            "n_speed_change": 2,
            "max_speed_ratio": {"tuple": [1.5, 2.5]},
            "prob": 1.0,
        },
    ]


@every
def test_runs_on_any_type(augmenter):
    for dtype in (torch.float64, torch.float16):
        x = batch(dtype=dtype)
        view = FromTsaug(augmenter)(x, seeded())
        assert (view.shape, view.dtype) == (x.shape, dtype)
        assert view.is_contiguous()
        assert not torch.equal(view, x)


def test_augmenter_pipeline_mapping_and_list_are_the_same():
    mapping = {"name": "AddNoise", "scale": (0.1, 0.2)}
    expected = FromTsaug([mapping]).augmenter
    assert expected[0]["scale"] == {"tuple": [0.1, 0.2]}
    noise = tsaug.AddNoise(scale=(0.1, 0.2))
    assert FromTsaug(mapping).augmenter == FromTsaug(noise).augmenter == expected
    assert FromTsaug(noise + noise).augmenter == FromTsaug([mapping, noise]).augmenter
    assert FromTsaug(expected).augmenter == expected


def test_nothing_to_run_is_identity():
    assert torch.equal(FromTsaug()(batch()), batch())


@pytest.mark.parametrize(
    "augmenter",
    [
        tsaug.Convolve(window=("gaussian", 1.5), size=5),
        tsaug.Pool(size=3),
        tsaug.Quantize(n_levels=7) + tsaug.Reverse(),
    ],
)
def test_without_randomness_it_gives_what_tsaug_gives(augmenter):
    x = batch()
    expected = from_tsaug(augmenter.augment(to_tsaug(x)))
    torch.testing.assert_close(FromTsaug(augmenter)(x, seeded()), expected, rtol=0, atol=0)


def test_a_fixed_seed_does_not_repeat_the_view():
    """In tsaug both views of a window would be equal."""
    augmenter, x = tsaug.AddNoise(seed=3), batch()
    np.testing.assert_array_equal(augmenter.augment(to_tsaug(x)), augmenter.augment(to_tsaug(x)))
    view, generator = FromTsaug(augmenter), seeded()
    assert not torch.equal(view(x, generator), view(x, generator))


def test_members_do_not_share_random_numbers():
    """Two noises of variance 1 have variance 2 together, and 4 if they are the same noise."""
    view = FromTsaug([NOISE, NOISE])(torch.zeros(64, 6, 256), seeded())
    assert abs(view.var().item() - 2) < 5 * 2 * math.sqrt(2 / view.numel())


def test_gate_and_core_do_not_share_random_numbers():
    """In tsaug, who passes a gate of ½ has drawn a scale below ½: it is the same number."""
    gated = {"scale": (0.0, 1.0), "normalize": False, "prob": 0.5}
    x = torch.zeros(1, 1, 512)
    theirs = [tsaug.AddNoise(**gated, seed=i).augment(to_tsaug(x)).std() for i in range(100)]
    assert 0.4 < max(theirs) < 0.6
    view = FromTsaug({"name": "AddNoise", **gated})
    ours = [view(x, seeded(i)).std().item() for i in range(100)]
    assert max(ours) > 0.8
    assert sum(sd == 0 for sd in ours) > 25


def test_crop_is_gated_for_each_window():
    """In tsaug its gate opens or closes for the whole batch."""
    x, gated = batch(B=200), tsaug.Crop(size=50, resize=64, prob=0.3)
    theirs = (gated.augment(to_tsaug(x)) != to_tsaug(x)).any(axis=(1, 2))
    assert theirs.all() or not theirs.any()
    ours = (FromTsaug(gated)(x, seeded()) != x).flatten(1).any(dim=1).double().mean().item()
    assert abs(ours - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 200)


def test_both_probabilities_count():
    x = torch.zeros(2000, 1, 4)
    view = FromTsaug({**NOISE, "prob": 0.5}, p=0.4)(x, seeded())
    share = (view != 0).any(dim=2).double().mean().item()
    assert abs(share - 0.2) < 5 * math.sqrt(0.2 * 0.8 / 2000)


def test_constant_windows_get_noise_only_without_normalize():
    x = torch.full((4, 3, 32), 9.81)
    assert torch.equal(FromTsaug({"name": "AddNoise"})(x), x)
    assert not torch.equal(FromTsaug({"name": "AddNoise", "normalize": False})(x), x)


def test_no_gradient_passes_and_the_window_is_not_touched():
    x = batch().mT.contiguous().mT  # in memory as tsaug takes it, so that a copy is not for free
    before = x.clone()
    view = FromTsaug(tsaug.Reverse())(x.requires_grad_())
    assert not view.requires_grad
    assert torch.equal(view, before.flip(2))
    assert torch.equal(x.detach(), before)


@pytest.mark.parametrize(
    "composed",
    [
        Chain([Reverse(), FromTsaug(NOISE)]),
        OneOf([FromTsaug(NOISE, p=0.5), Reverse()]),
        SomeOf([FromTsaug(NOISE), Reverse(), Jitter()], n=2),
        RandomOrder([FromTsaug(NOISE), Reverse()]),
    ],
    ids=lambda composed: type(composed).__name__,
)
def test_inside_a_composition_with_named_channels(composed):
    composed = copy.deepcopy(composed).for_channels(["acc_x", "acc_y", "acc_z"])
    view = composed(torch.zeros(64, 3, 32), seeded())
    noisy = view[(view != 0).flatten(1).any(dim=1)]
    assert len(noisy) > 8
    # no two windows have the same noise, in any order: not even those at different steps
    assert len(torch.unique(noisy.amax(dim=(1, 2)))) == len(noisy)


def test_parts_of_a_batch_do_not_share_random_numbers():
    """As in RandomOrder, which transforms the windows that are at the same step together."""
    view, x = FromTsaug(NOISE), torch.zeros(8, 3, 32)
    drawn = view.draw(x, seeded())
    assert not torch.equal(view.transform(x[:4], drawn[:4]), view.transform(x[4:], drawn[4:]))


def test_nan_and_infinity_are_counted():
    x = batch(B=5)
    x[1, 2, 3:5], x[4, 0, 0] = math.nan, math.inf
    with pytest.raises(
        ValueError, match="have 3 values that are NaN or infinite, in 2 of 5 windows: fill"
    ):
        FromTsaug(tsaug.Reverse())(x)


@pytest.mark.parametrize(
    ("augmenter", "message"),
    [
        (tsaug.Reverse() * 3, "Reverse has repeats 3, allowed is 1"),
        (tsaug.Resize(32), "Resize changes the length of the windows: use Crop"),
        (tsaug.Reverse() + tsaug.Crop(size=32), "Crop changes the length of the windows"),
        ({"name": "AddNoise", "scale": -1}, "AddNoise cannot take {'scale': -1}: Param"),
        ({"name": "Reverse", "prob": 0}, "Reverse cannot take {'prob': 0}: Param"),
    ],
)
def test_refused_when_built(augmenter, message):
    with pytest.raises(ValueError, match=message):
        FromTsaug(augmenter)


@pytest.mark.parametrize(
    ("augmenter", "message"),
    [
        (tsaug.Crop(size=32, resize=100), "Crop makes 100 samples of 64, .* set its resize to 64"),
        (tsaug.Crop(size=65, resize=64), "Crop cannot take windows of 64 samples"),
        (tsaug.Dropout(size=65), "Dropout cannot take windows of 64 samples"),
        (
            tsaug.Convolve(size=2),
            "Convolve made 6144 values that are NaN .* of 16 windows: check its arg",
        ),
        (tsaug.Quantize(how="kmeans"), "Quantize cannot take .* 'n_jobs'"),
        (tsaug.AddNoise(loc=1e300), "AddNoise made 6144 values that are NaN"),
    ],
)
def test_refused_when_used(augmenter, message):
    with pytest.raises(ValueError, match=message):
        FromTsaug(augmenter)(batch(dtype=torch.float32))


def test_misspelt_name_and_argument():
    with pytest.raises(
        KeyError, match="no augmenter of tsaug called 'AddNoize': did you mean AddNoise"
    ):
        FromTsaug([{"name": "AddNoize"}])
    with pytest.raises(TypeError, match="AddNoise has no argument 'scal': did you mean scale"):
        FromTsaug([{"name": "AddNoise", "scal": 0.1}])


@pytest.mark.parametrize("augmenter", ["AddNoise", None, 3, Jitter()])
def test_something_else_than_an_augmenter(augmenter):
    with pytest.raises(TypeError, match="allowed are augmenters and pipelines of tsaug and map"):
        FromTsaug(augmenter)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    x = batch().cuda()
    view = FromTsaug(tsaug.Reverse())(x, torch.Generator("cuda").manual_seed(0))
    assert torch.equal(view, x.flip(2))


def write_config(path: Path, store: Path, text: str) -> list[str]:
    """A command line that pretrains for one step with the augmenter that `text` describes."""
    config = yaml.safe_load(Path("configs/ntxent.yaml").read_text())
    config["data"]["source"] = str(store)
    config["training"] = {"epochs": 1, "batch_size": 32, "windows_per_epoch": 32}
    del config["views"]
    views = f"views: [{{class: FromTsaug, augmenter: {text}}}]"
    path.write_text(f"{yaml.safe_dump(config)}\n{views}\n")
    return ["pretrain", str(path), "--out", str(path.parent / "run")]


def test_in_a_config(tiny_store: Path, tmp_path: Path) -> None:
    text = "[{name: AddNoise, scale: 1e-2}, {name: Drift, max_drift: {tuple: [0.1, 0.5]}}]"
    assert main(write_config(tmp_path / "tsaug.yaml", tiny_store, text)) == 0
    expected = FromTsaug(tsaug.AddNoise(scale=0.01) + tsaug.Drift(max_drift=(0.1, 0.5)))
    assert Checkpoint.load(tmp_path / "run").settings["views"] == specs.spec_of([expected])
    words = ["pretrain", str(tmp_path / "run" / "config.yaml"), "--out", str(tmp_path / "again")]
    assert main(words) == 0
    assert Checkpoint.load(tmp_path / "again").settings["views"] == specs.spec_of([expected])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{name: AddNoize}]", "did you mean AddNoise?"),
        ("[{name: AddNoise, scal: 1}]", "did you mean scale?"),
        ("[{name: Drift, max_drift: [0.1, 0.5]}]", "Drift cannot take {'max_drift': [0.1, 0.5]}"),
    ],
)
def test_misspelt_in_a_config(
    text: str, message: str, tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(write_config(tmp_path / "tsaug.yaml", tiny_store, text)) != 0
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------- tsaug as oracle

SEED = 11


def agree(ours: torch.Tensor, theirs: np.ndarray) -> None:
    """Equal in float64 up to rounding."""
    torch.testing.assert_close(ours, from_tsaug(theirs), rtol=0, atol=1e-10)


def rng() -> Any:
    """The numbers that an augmenter of tsaug with this seed draws, from the first on."""
    return np.random.RandomState(SEED)


def test_add_noise_is_jitter():
    x = batch()
    theirs = tsaug.AddNoise(scale=0.3, normalize=False, seed=SEED).augment(to_tsaug(x))
    noise = from_tsaug(rng().normal(size=to_tsaug(x).shape))
    agree(Jitter(sd=0.3).transform(x, noise), theirs)


@pytest.mark.parametrize("window", ["hann", "boxcar", ("kaiser", 4.0)])
def test_convolve_is_smooth(window):
    """Equal for odd kernels; of an even one tsaug moves the view by half a sample."""
    x, sizes = batch(), [3, 5, 9]
    theirs = tsaug.Convolve(window, size=sizes, seed=SEED).augment(to_tsaug(x))
    kernels = np.zeros((16, 9))
    for kernel, n in zip(kernels, rng().choice(sizes, size=16), strict=True):
        kernel[4 - n // 2 : 5 + n // 2] = get_window(window, n, fftbins=False)
    kernels /= kernels.sum(axis=1, keepdims=True)
    agree(Smooth().transform(x, torch.from_numpy(kernels)), theirs)


def test_crop_is_crop():
    x = batch(B=64)
    theirs = tsaug.Crop(size=(40, 60), resize=64, seed=SEED).augment(to_tsaug(x))
    draws = rng()
    kept = draws.choice(range(40, 60), size=64)
    start = np.empty(64)
    for n in np.unique(kept):  # tsaug draws the places of all crops of one size at once
        start[kept == n] = draws.choice(64 - n + 1, size=(kept == n).sum())
    agree(Crop().transform(x, Span(torch.from_numpy(start), torch.from_numpy(kept - 1.0))), theirs)


def test_drift_is_drift():
    """The curves are those of tsaug.

    Each is stretched to the same largest value there, even one that hardly wandered, its last knot
    lies one sample behind the window, and the ends of the spline are not-a-knot. Ours are not.
    """
    x, T = batch(), 64
    theirs = tsaug.Drift(max_drift=0.4, normalize=False, seed=SEED).augment(to_tsaug(x))
    draws = rng()
    draws.choice(1, size=16 * 6)  # which number of knots, from a list of one
    walk = draws.normal(size=(16 * 6, 5)).cumsum(axis=1)
    curve = CubicSpline(np.linspace(0, T, 5), walk, axis=1)(np.arange(T))
    curve -= curve[:, :1]
    curve *= 0.4 / np.abs(curve).max(axis=1, keepdims=True)
    agree(Drift().transform(x, torch.from_numpy(curve).view(16, 6, T)), theirs)


def dropped(n_windows: int, length: int, block: int, p: float) -> np.ndarray:
    """Where tsaug holds on before a block of samples is lost."""
    return rng().uniform(size=(n_windows, length - block)) <= p / block


def test_dropout_held_is_sample_dropout():
    """Equal in all windows whose blocks do not touch.

    Where a block begins inside another one, tsaug repeats the value of a sample that is itself
    lost; ours repeats the last one that arrived.
    """
    x, block = batch(B=256), 3
    theirs = tsaug.Dropout(p=0.1, size=block, fill="ffill", seed=SEED).augment(to_tsaug(x))
    holds = dropped(256, 64, block, 0.1)
    arrives = np.ones((256, 64), dtype=bool)
    for window, last in np.argwhere(holds):
        arrives[window, last + 1 : last + 1 + block] = False
    apart = ~(holds & ~arrives[:, : 64 - block]).any(axis=1)
    assert (holds.sum(axis=1)[apart] > 1).sum() > 50
    view = SampleDropout(fill="hold").transform(x, torch.from_numpy(arrives))
    agree(view[torch.from_numpy(apart)], theirs[apart])
    assert not np.allclose(to_tsaug(view)[~apart], theirs[~apart])


def test_dropout_of_one_block_filled_with_the_mean_is_time_mask():
    """Equal in all windows with one block, of which TimeMask has always one."""
    x, block = batch(B=256), 16
    theirs = tsaug.Dropout(p=0.5, size=block, fill="mean", seed=SEED).augment(to_tsaug(x))
    holds = dropped(256, 64, block, 0.5)
    one = holds.sum(axis=1) == 1
    assert one.sum() > 50
    first = torch.from_numpy(holds.argmax(axis=1)[one] + 1)
    agree(TimeMask(fraction=0.25).transform(x[torch.from_numpy(one)], first), theirs[one])


def test_pool_is_pool():
    x = batch()
    theirs = tsaug.Pool(kind="ave", size=(2, 7), seed=SEED).augment(to_tsaug(x))
    size = torch.from_numpy(rng().choice(range(2, 7), size=16))
    agree(Pool(max_size=6).transform(x, size), theirs)


def test_quantize_is_quantize():
    """Equal after undoing two things that tsaug does to the rounded values.

    It takes level k for a bin, and gives the middle of the bin: everything comes out half a step
    too high. And it has no bin for the largest value: the top level is lowered by one step.
    """
    x = batch()
    theirs = tsaug.Quantize(n_levels=[5, 8, 13], seed=SEED).augment(to_tsaug(x))
    n_levels = torch.from_numpy(rng().choice([5, 8, 13], size=(16, 1)))
    least, most = x.amin(dim=2), x.amax(dim=2)
    step = (most - least) / n_levels
    view = Quantize().transform(x, Grid(step, (least / step).remainder(1)))
    top = least + (n_levels - 1) * step
    agree(view.minimum(top[:, :, None]) + step[:, :, None] / 2, theirs)


@pytest.mark.parametrize("size", [2, 40, 64, 100])
def test_resize_is_interpolate(size):
    x = batch()
    position = torch.linspace(0, 63, size, dtype=x.dtype).expand(16, size)
    agree(interpolate(x, position), tsaug.Resize(size).augment(to_tsaug(x)))


def test_reverse_is_reverse():
    """Also with a gate, for which tsaug draws a number for each window."""
    x = batch()
    agree(Reverse().transform(x, ()), tsaug.Reverse().augment(to_tsaug(x)))
    opens = torch.from_numpy(rng().uniform(size=16) <= 0.5)
    theirs = tsaug.Reverse(prob=0.5, seed=SEED).augment(to_tsaug(x))
    agree(Reverse().transform_gated(x, Gated(opens, ())), theirs)


def test_time_warp_is_time_warp():
    """The map is tsaug's: a monotone cubic through knots that lie equally far apart in the view."""
    x, T, ratio = batch(), 64, 2.5
    theirs = tsaug.TimeWarp(n_speed_change=3, max_speed_ratio=ratio, seed=SEED).augment(to_tsaug(x))
    speed = rng().uniform(size=(16, 4))
    lowest, highest = speed.min(axis=1, keepdims=True), speed.max(axis=1, keepdims=True)
    # moved so that the highest is `ratio` times the lowest
    speed += (highest - ratio * lowest) / (ratio - 1)
    knots = np.pad(speed.cumsum(axis=1), ((0, 0), (1, 0))) * (T - 1) / speed.sum(axis=1)[:, None]
    position = PchipInterpolator(np.linspace(0, T - 1, 5), knots, axis=1)(np.arange(T))
    agree(TimeWarp().transform(x, torch.from_numpy(position)), theirs)

"""The gallery of views and its docs page: what is drawn, said and written."""

import gc
import math
import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
import yaml

from benchmarks import views_page
from benchmarks.svg import smaller
from tests.support.views import CLASSES, batch, default, seeded, tensors
from tests.test_report import Page
from tsclr.augment import (
    Augmentation,
    Chain,
    ChannelDropout,
    Crop,
    Jitter,
    Mirror,
    Offset,
    OneOf,
    Permute,
    Quantity,
    RandomOrder,
    Rotate,
    SampleDropout,
    Saturate,
    Scale,
    SomeOf,
    Yaw,
)
from tsclr.augment.base import Gated
from tsclr.augment.draws import integers, uniform
from tsclr.cli import main
from tsclr.data.ingest import ingest
from tsclr.data.settings import Data
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.explore.describe import call_of, caption, views_inside
from tsclr.explore.gallery import always, choose, examples_of, gallery
from tsclr.readers import Tabular
from tsclr.report.gallery import DEPTH, Example, spectrum, view_gallery
from tsclr.types import UNLABELLED

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
EVERY = None


def caption_of(view: Augmentation, drawn: Any, window: int = 0) -> list[str]:
    return caption(view.for_channels(CHANNELS), Gated(EVERY, drawn), window)


@pytest.fixture(autouse=True)
def forget():
    """Classes made in a test are gone after it, or other tests find them among the subclasses."""
    yield
    gc.collect()


def odd_view() -> type[Augmentation]:
    """Keeps no argument, documents nothing, annotates wrongly, draws lists and mappings."""

    class Odd(Augmentation):
        def __init__(self, level):
            super().__init__()

        def draw(self, x, generator=None) -> "Missing":  # noqa: F821
            return {"a": uniform(x, 2, generator=generator)}, [uniform(x, generator=generator), 7]

        def transform(self, x, drawn):
            return x + drawn[0]["a"][:, :1, None]

    return Odd


def wrapper(n: int) -> type[Augmentation]:
    """Draws `n` times for the one view inside."""

    class Wrapper(Augmentation):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def draw(self, x, generator=None):
            return uniform(x, generator=generator), *(
                self.inner.draw_gated(x, generator) for _ in range(n)
            )

        def transform(self, x, drawn):
            return self.inner.transform_gated(x, drawn[1])

    return Wrapper


def mixing_view() -> type[Augmentation]:
    """Needs a second window."""

    class Mix(Augmentation):
        mixes_windows = True

        def draw(
            self, x, generator=None
        ) -> Annotated[torch.Tensor, Quantity("index of the partner")]:
            other = integers(x, 1, len(x), generator=generator)
            return (other + torch.arange(len(x))) % len(x)

        def transform(self, x, drawn):
            return (x + x[drawn]) / 2

    return Mix


# ---- captions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_every_view_has_a_caption_of_what_it_drew(name: str) -> None:
    x = batch(4, 6, 64)
    for p in (0.5, 1.0):
        view = default(CLASSES[name], p).for_channels(CHANNELS)
        gated = view.draw_gated(x, seeded(3))
        for window in range(len(x)):
            lines = caption(view, gated, window)
            assert lines
            assert all(line.strip(" :;,") for line in lines)
            assert not re.search("nan|tensor|Gated", " ".join(lines))
            assert sum(map(len, lines)) < 1000
    assert call_of(view).startswith(f"{name}(")


def test_a_quaternion_is_written_as_angle_and_axis() -> None:
    half = math.radians(30)
    quaternion = torch.tensor([[math.cos(half), 0.0, 0.0, math.sin(half)]])
    for drawn in (quaternion[:, None], -quaternion[:, None]):  # both are the same rotation
        assert caption_of(Rotate(), drawn) == ["rotation: 60° about (0.00, 0.00, 1.00)"]
    still = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    assert caption_of(Rotate(), still) == ["rotation: 0° about (0.00, 0.00, 0.00)"]


def test_values_are_written_after_their_name() -> None:
    assert caption_of(Yaw(), torch.tensor([[math.pi / 2]])) == ["angle: 90°"]
    gains = torch.tensor([[1.25, 1.25, 1.25, 0.5, 0.5, 0.5]])
    assert caption_of(Scale(), gains) == ["gain: acc 1.25, gyr 0.5"]
    assert caption_of(Offset(), torch.tensor([[0.5, 1, 2, 3, 3, 3]])) == [
        "bias: acc_x 0.5, acc_y 1, acc_z 2, gyr 3"
    ]
    kept = torch.tensor([[True, False, True, False, False, False]])
    assert caption_of(ChannelDropout(), kept) == ["channels kept: acc_x, acc_z"]
    assert caption_of(ChannelDropout(), kept & False) == ["channels kept: none"]
    arrived = torch.tensor([[True] * 5 + [False] * 3])
    assert caption_of(SampleDropout(), arrived) == ["samples that arrive: 5 of 8"]
    noise = torch.linspace(-1, 1, 60, dtype=torch.float64).view(1, 6, 10)
    assert caption_of(Jitter(), noise)[0].endswith("acc -1 to -0.0169, gyr 0.0169 to 1")
    endless = torch.tensor([[2.0] * 3 + [math.inf] * 3])
    assert caption_of(Saturate(), endless)[0].endswith(": acc 2, gyr ∞")
    assert caption_of(Mirror(), ()) == ["nothing is random"]


def test_fields_have_names_and_values_of_the_window_asked_for() -> None:
    view = Permute(n_segments=3)
    drawn = view.draw(torch.zeros(2, 6, 20), seeded())
    first, order = (part[1].tolist() for part in drawn)
    assert caption_of(view, drawn, window=1) == [
        f"cuts before samples: {first[0]} {first[1]}; "
        f"order of the segments: {order[0]} {order[1]} {order[2]}"
    ]


def test_the_english_of_a_docstring_says_nothing_in_a_caption() -> None:
    class Documented(Augmentation):
        def draw(
            self, x: Any, generator: torch.Generator | None = None
        ) -> Annotated[torch.Tensor, Quantity("tilt", "angle")]:
            """Sample a quaternion for each device: real part first."""
            return uniform(x, generator=generator)

        def transform(self, x: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
            return x * drawn[:, None, None].cos()

    assert caption_of(Documented(), torch.tensor([math.pi / 3])) == ["tilt: 60°"]
    many = torch.linspace(-math.pi / 2, math.pi / 6, 7)[None]
    assert caption_of(Documented(), many) == ["tilt: -90° to 30°"]


def test_every_tensor_that_a_view_draws_has_a_name() -> None:
    x = batch(4, 6, 64)
    for name, cls in CLASSES.items():
        view = default(cls, 1.0)
        drawn = view.draw_gated(x, seeded()).drawn
        if views_inside(view) or not tensors(drawn):
            continue
        for text in caption_of(view, drawn)[0].split("; "):
            assert re.match(r"[a-z ]+: ", text), f"{name}: {text}"


def test_axes_are_read_from_annotations_not_guessed_from_sizes() -> None:
    view = Permute(n_segments=6)
    (line,) = caption_of(view, view.draw(torch.zeros(1, 6, 20), seeded()))
    assert "acc" not in line


def test_the_caption_of_a_composition_has_a_line_for_each_view() -> None:
    inner = Chain([Jitter(), OneOf([Mirror(), Scale(sd=0.0)], weights=[0, 1]), Crop(p=0.0)])
    x = batch(2, 6, 16)
    lines = caption(inner.for_channels(CHANNELS), inner.draw_gated(x, seeded()), 0)
    assert [line.split(" ")[0] for line in lines] == ["Jitter:", "OneOf:", "OneOf:", "not"]
    assert lines[1:] == [
        "OneOf: Scale: gain: acc 1, gyr 1",
        "OneOf: not applied: Mirror",
        "not applied: Crop",
    ]
    shuffled = RandomOrder([Mirror(), Mirror()]).for_channels(CHANNELS)
    gated = shuffled.draw_gated(x, seeded())
    order = gated.drawn.order[1].tolist()
    assert caption(shuffled, gated, 1) == [
        f"order: {order[0]} {order[1]}",
        "Mirror: nothing is random",
        "Mirror: nothing is random",
    ]
    assert caption_of(Chain([]), ()) == ["nothing is random"]
    assert caption(Mirror(), Gated(torch.tensor([True, False]), ()), 1) == ["not applied: Mirror"]


def test_views_that_users_wrote_have_captions_too() -> None:
    x = batch(3, 6, 16)
    odd = odd_view()(level=2)
    drawn = odd.draw(x, seeded())
    (line,) = caption_of(odd, drawn, 2)
    a, b = (f"{value:.3g}" for value in drawn[0]["a"][2])
    assert line == f"a: {a} {b}; {drawn[1][0][2]:.3g}; 7"
    assert call_of(odd) == "Odd(…)"
    once = wrapper(1)(Mirror())
    drawn = once.draw(x)
    assert caption_of(once, drawn) == [f"{drawn[0][0]:.3g}", "Mirror: nothing is random"]
    assert call_of(once) == "Wrapper(inner=Mirror(axis='x', p=1))"
    twice = wrapper(2)(Scale(sd=0.0))  # two draws for one view: which is whose is not known
    drawn = twice.draw(x)
    (line,) = caption_of(twice, drawn)
    assert line == f"{drawn[0][0]:.3g}; 1 1 1 1 1 1; 1 1 1 1 1 1"


def test_calls_can_be_evaluated() -> None:
    view = SomeOf([Crop(min_fraction=0.6, p=0.8), Rotate(spread=0.25)], n=1)
    again = eval(call_of(view), {"SomeOf": SomeOf, "Crop": Crop, "Rotate": Rotate})
    assert call_of(again) == call_of(view)
    assert call_of(Jitter(sd=0.02)) == "Jitter(sd=0.02, p=1)"


# ---- choice ------------------------------------------------------------------------------------


def test_labels_of_windows_agree_with_a_slow_look(tiny_store: Path) -> None:
    windows = Windows.sliding(Store.open(tiny_store), 128, 64)
    labels = windows.stream_labels(np.arange(len(windows)))
    for start, label in zip(windows.starts, labels, strict=True):
        inside = set(windows.store.labels[start : start + 128].tolist())
        assert label == (inside.pop() if len(inside) == 1 else UNLABELLED)


def test_examples_have_different_classes_and_go_from_lively_to_quiet(tiny_store: Path) -> None:
    windows = Windows.sliding(Store.open(tiny_store), 128, 64)
    for n in (1, 3, 5):
        examples, companions = choose(windows, n, seed=0)
        labels = windows.stream_labels(examples)
        assert len(set(labels)) == n
        assert UNLABELLED not in labels
        spread = windows.take(examples).std(dim=2).mean(dim=1)
        assert (spread.diff() <= 0).all()
        assert len(examples) + len(companions) == 8
        assert not set(examples) & set(companions)
    many, companions = choose(windows, 20, seed=0)
    assert len(set(many)) == 20
    assert len(companions) == 0
    assert not np.array_equal(choose(windows, 3, seed=1)[0], choose(windows, 3, seed=0)[0])


def test_more_examples_than_windows_are_as_many_as_there_are(tiny_store: Path) -> None:
    windows = Windows.sliding(Store.open(tiny_store), 128, 64).select(np.arange(2))
    examples, companions = choose(windows, 5, seed=0)
    assert sorted(examples) == [0, 1]
    assert len(companions) == 0


# ---- views -------------------------------------------------------------------------------------


def test_always_changes_every_window_and_leaves_the_view_as_it_is() -> None:
    view = OneOf([Jitter(p=0.0), Jitter(p=0.0)], p=0.0)
    x = batch()
    assert (always(view)(x, seeded()) != x).any(dim=(1, 2)).all()
    assert torch.equal(view(x, seeded()), x)
    assert [step.p for step in views_inside(view)] == [0.0, 0.0]


def test_an_example_is_the_window_and_what_the_view_makes_of_it() -> None:
    x = batch(5, 6, 32)
    for view in (Jitter(sd=0.3), mixing_view()()):
        examples = examples_of(view.for_channels(CHANNELS), x, ["walking", "sitting"], seed=4)
        views = view(x, seeded(4))
        assert [example.notes[0].partition(":")[0] for example in examples] == [
            "walking",
            "sitting",
        ]
        for place, example in enumerate(examples):
            np.testing.assert_array_equal(example.window, x[place])
            np.testing.assert_array_equal(example.view, views[place])
            assert not np.array_equal(example.view, example.window)


# ---- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [32, 33])
def test_the_spectrum_agrees_with_a_slow_transform(T: int) -> None:
    signal = np.random.default_rng(0).normal(size=(3, T))
    frequency, amplitude = spectrum(signal, 50.0)
    time = np.arange(T) / 50.0
    for hertz, found in zip(frequency, amplitude, strict=True):
        waves = np.exp(-2j * np.pi * hertz * time)
        double = 1.0 if math.isclose(hertz, 25.0) else 2.0
        parts = [abs(sum(channel * waves)) * double / T for channel in signal]
        assert found == pytest.approx(math.hypot(*parts), rel=1e-9)
    np.testing.assert_allclose(frequency, np.arange(1, T // 2 + 1) * 50 / T)


def test_the_picture_shows_window_view_and_spectra_of_each_sensor() -> None:
    window = np.random.default_rng(0).normal(size=(6, 40))
    examples = [Example(["walking: x"], window, 2 * window), Example(["a", "b"], window, window)]
    section = view_gallery("Scale", "text", examples, CHANNELS, 20.0)
    axes = section.figure.axes
    assert len(axes) == 12
    frames = [each.get_position() for each in axes]
    for place, frame in enumerate(frames):
        assert frame.x0 > 0
        assert frame.y0 > 0
        assert max(frame.x1, frame.y1) < 1
        assert not any(frame.overlaps(other) for other in frames[:place])
    acc_window, acc_view, acc_spectra, _, gyr_view, gyr_spectra = axes[:6]
    assert [each.get_title(loc="left") for each in axes[:3]] == ["Window", "View", "Spectra"]
    assert acc_window.get_ylabel() == "acc (g)"
    assert axes[3].get_ylabel() == "gyr (rad/s)"
    np.testing.assert_allclose(acc_window.lines[1].get_xdata(), np.arange(40) / 20)
    np.testing.assert_array_equal(acc_window.lines[1].get_ydata(), window[1])
    np.testing.assert_array_equal(gyr_view.lines[2].get_ydata(), 2 * window[5])
    assert acc_window.get_ylim() == acc_view.get_ylim()
    of_window, of_view = (line.get_ydata() for line in acc_spectra.lines)
    np.testing.assert_allclose(of_view, 2 * of_window)
    assert gyr_spectra.get_xlabel() == "frequency (Hz)"
    assert "walking: x" in section.description


def test_silence_has_a_spectrum_below_the_picture() -> None:
    window = np.random.default_rng(0).normal(size=(3, 40))
    for example in (
        Example(["dropped"], window, np.zeros_like(window)),
        Example(["silent"], np.zeros_like(window), np.zeros_like(window)),
    ):
        section = view_gallery("Dropout", "", [example], CHANNELS[:3], 50.0)
        section.figure.canvas.draw()
        low, high = section.figure.axes[2].get_ylim()
        assert 0 < low < high
    largest = spectrum(window, 50.0)[1].max()
    section = view_gallery("", "", [Example([""], window, 0 * window)], CHANNELS[:3], 50.0)
    assert section.figure.axes[2].get_ylim()[0] == pytest.approx(DEPTH * largest)


# ---- the command -------------------------------------------------------------------------------


def configured(tmp_path: Path, views: Any, store: Path) -> Path:
    config = yaml.safe_load(Path("configs/ntxent.yaml").read_text())
    config |= {"views": views, "data": {"source": str(store)}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def titles(path: Path) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", path.read_text())


def test_the_command_draws_a_config(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "new" / "gallery.html"
    words = ["views", "ntxent", "--dataset", str(tiny_store), "--out", str(out)]
    assert main([*words, "--windows", "2"]) == 0
    assert capsys.readouterr().out == f"next: open {out}\n"
    page = Page(out)
    assert page.open == []
    assert titles(out)[:6] == ["Crop", "TimeWarp", "Scale", "Rotate", "Jitter", "Whole pipeline"]
    assert sum(tag == "svg" and name == "viewbox" for tag, name, _ in page.attributes) == 6
    text = out.read_text()
    assert not re.search(r"https?:|//|@import|<script", text)
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for said in ("rotation: ", "gain: acc", "80% of the windows"):
        assert said in page.text


def test_the_same_seed_gives_the_same_page(tiny_store: Path, tmp_path: Path) -> None:
    def page(seed: int) -> bytes:
        views: list[Augmentation] = [Jitter()]
        path = gallery(Data(str(tiny_store)), views, tmp_path / "g.html", n_windows=1, seed=seed)
        return path.read_bytes()

    assert page(0) == page(0)
    assert page(0) != page(1)


def test_the_config_of_a_run_can_be_drawn(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["views", str(tiny_run / "config.yaml"), "--windows", "1"]) == 0
    assert titles(tmp_path / "gallery.html")[:3] == ["Rotate", "Jitter", "Whole pipeline"]


def test_examples_come_from_training_subjects_and_say_their_class(
    tiny_store: Path, tmp_path: Path
) -> None:
    data = Data(str(tiny_store), test=["03", "04"])
    _, split = data.open()
    text = gallery(data, [Mirror()], tmp_path / "g.html", n_windows=6).read_text()
    named = set(re.findall(r">(\w+), subject (\d+)", text))
    assert {subject for _, subject in named} == set(split.train)
    assert {label for label, _ in named} <= set(Store.open(tiny_store).classes)


def test_a_store_without_labels(logs: Path, tmp_path: Path) -> None:
    columns = {"acc_x": "ax", "acc_y": "ay", "acc_z": "az"}
    pattern = r"(?P<subject>\d+)_phone"
    reader = Tabular(columns=columns, units={"acc": "m/s²"}, time="time", pattern=pattern)
    ingest(logs, tmp_path / "store", rate=50.0, reader=reader)
    out = gallery(Data(str(tmp_path / "store")), [Jitter()], tmp_path / "g.html")
    assert len(re.findall(">subject 0[1-4]: noise in units of sd: acc ", out.read_text())) == 3


def test_named_pipelines_and_what_is_inside_compositions(tiny_store: Path, tmp_path: Path) -> None:
    crop, jitter = "Crop", "Jitter"
    strong = {"class": "OneOf", "augmentations": [crop, jitter], "p": 0.5}
    config = configured(tmp_path, {"weak": [jitter], "strong": [strong]}, tiny_store)
    out = tmp_path / "g.html"
    assert main(["views", str(config), "--out", str(out), "--windows", "1"]) == 0
    assert titles(out)[:-1] == [
        "weak: Jitter",
        "weak: whole pipeline",
        "strong: OneOf",
        "strong: Crop",
        "strong: Jitter",
        "strong: whole pipeline",
    ]


def test_a_view_that_mixes_windows_gets_several(tiny_store: Path, tmp_path: Path) -> None:
    out = gallery(Data(str(tiny_store)), [mixing_view()()], tmp_path / "g.html", n_windows=1)
    assert "index of the partner: " in Page(out).text


def test_an_empty_pipeline_is_shown_as_it_is(tiny_store: Path, tmp_path: Path) -> None:
    assert titles(gallery(Data(str(tiny_store)), [], tmp_path / "g.html"))[0] == "Whole pipeline"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "gallery"], "out is gallery, expected an HTML file such as gallery.html"),
        (["--windows", "0"], "windows is 0, allowed is 1 or more"),
        (["--dataset", "hatp"], "did you mean hapt?"),
        (["--data.window", "2.555"], "choose a whole number of samples"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    said: str,
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    config = configured(tmp_path, ["Jitter"], tiny_store.resolve())
    monkeypatch.chdir(tmp_path)
    assert main(["views", str(config), *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_a_misspelt_view_and_one_that_cannot_take_the_windows(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = configured(tmp_path, ["Jiter"], tiny_store)
    out = tmp_path / "g.html"
    assert main(["views", str(config), "--out", str(out)]) == 2
    assert "did you mean Jitter" in capsys.readouterr().err
    coarse = {"class": "Quantize", "acc": None, "gyr": None}
    config = configured(tmp_path, [coarse], tiny_store)
    assert main(["views", str(config), "--out", str(out)]) == 1
    assert "Quantize needs a channel" in capsys.readouterr().err
    assert not out.exists()


# ---- the docs page -----------------------------------------------------------------------------


def test_the_page_agrees_with_the_classes() -> None:
    text = views_page.PAGE.read_text()
    assert text == views_page.page(), "run python -m benchmarks.views_page"
    for name, cls in views_page.classes().items():
        assert f"### {name}\n" in text
        assert f"```python\n{name}(" in text
        assert text.count(f"(views/{name}.svg)") == 1
        arguments = re.search(rf"^{name}\((.*)\)$", text, re.MULTILINE)[1]
        made = eval(f"dict({arguments})", {"math": math})
        assert "p" not in made or made["p"] == 1.0
        first = " ".join(cls.__doc__.split("\n\n")[0].replace("``", "`").split())
        assert views_page.marked(views_page.sentence(cls)) in first
        assert f"### {name}\n\n{first.split('. ')[0]}" in text


def test_every_class_has_a_picture_and_no_other_is_there() -> None:
    pictures = {path.stem: path for path in views_page.PICTURES.iterdir()}
    assert set(pictures) == set(views_page.classes()), "run python -m benchmarks.views_page"
    for name, path in pictures.items():
        text = path.read_text()
        assert path.stat().st_size < 60_000
        assert f'<title id="{name}-title">{name}</title>' in text
        addresses = set(re.findall(r"https?://[^\"]+", text))
        assert addresses == {"http://www.w3.org/2000/svg"}
        assert "var(" not in text


def test_a_picture_is_the_same_every_time() -> None:
    window = torch.randn(6, 128, generator=seeded())
    view = Jitter().for_channels(CHANNELS)
    same = {"walking": window, "running": window}
    first, second = (
        views_page.picture(views_page.most_changed(view, same), "Jitter") for _ in range(2)
    )
    assert first == second
    with pytest.raises(ValueError, match="Jitter changes no window"):
        views_page.most_changed(Jitter(p=0.0), same)


def test_coordinates_are_cut_and_text_is_not() -> None:
    svg = '<a d="M 1.234567 8.96  L 2.5 3 z ">\n   <b>0.1234</b></a>'
    assert smaller(svg) == '<a d="M 1.2 8.9L2.5 3z">\n<b>0.1234</b></a>'

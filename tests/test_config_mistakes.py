"""Every mistake in a config or in options is one line that names its place, and what is allowed."""

from pathlib import Path

import pytest
import yaml

from tsclr.bench.methods import Method, Pretrained
from tsclr.cli import main
from tsclr.config.pretraining import pretrain, read_config
from tsclr.encoders import Encoder
from tsclr.specs import SpecError, subclasses

HAND = "{hf: HandFeatures}"
SUITES = sorted(Path("benchmarks/suites").glob("*.yaml"))


def config(folder: Path, **change: object) -> Path:
    """A config of a pretraining that works, but for a change."""
    contents = yaml.safe_load(Path("configs/ntxent.yaml").read_text())
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(contents | {"data": {"source": "synthetic"}} | change))
    return path


def suite(folder: Path, **change: str) -> Path:
    """A suite that works, but for a change."""
    path = folder / "suite.yaml"
    settings = {"datasets": "[hapt]", "methods": HAND} | change
    path.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
    return path


def error_of(words: list[str], folder: Path, capsys: pytest.CaptureFixture, code: int = 2) -> str:
    """What a command says that fails before it does anything."""
    assert main([*words, "--out", str(folder / "out")]) == code
    assert not (folder / "out").exists()
    return capsys.readouterr().err.removeprefix("tsclr: ")


IN_CONFIG = [
    ({"encodr": "CNN1d"}, "encodr: no setting 'encodr': did you mean encoder?"),
    ({"encoder": "CNN1"}, "encoder: no Encoder called 'CNN1': did you mean CNN1d?"),
    (
        {"encoder": {"class": "CNN1d", "widht": 3}},
        "encoder.widht: CNN1d has no argument 'widht': did you mean width? Allowed: depth, ",
    ),
    (
        {"encoder": {"class": "Concat", "encoders": ["CNN1d", {"class": "CNN1d", "kernal": 3}]}},
        "encoder.encoders[1].kernal: CNN1d has no argument 'kernal': did you mean kernel?",
    ),
    (
        {"encoder": {"class": "CNN1d", "in_channels": 3}},
        "encoder.in_channels: the data decide this: leave it out",
    ),
    ({"encoder": {"CNN1d": {"width": 8}}}, "encoder: no class is named: write {class: CNN1d, …}"),
    (
        {"encoder": {"class": "CNN1d", "init_args": {"width": 8}}},
        "encoder.init_args: CNN1d has no argument 'init_args'",
    ),
    ({"encoder": "nowhere.Net"}, "encoder: cannot import nowhere.Net: No module named"),
    ({"objective": None}, "objective: null is not the name of a class (Objective)"),
    (
        {"objective": {"class": "TransformPrediction"}},
        "objective.augmentations: this is missing, expected a list",
    ),
    (
        {"pairing": {"class": "Neighbour", "second": 2}},
        "pairing.second: Neighbour has no argument 'second': did you mean seconds?",
    ),
    ({"pairing": "Neigbour"}, "pairing: no Pairing called 'Neigbour': did you mean"),
    (
        {"views": {"weak": [], "strong": [{"class": "Jitter", "sdd": 1}]}},
        "views.strong[0].sdd: Jitter has no argument 'sdd': did you mean sd? Allowed: p, sd",
    ),
    ({"views": ["Jiter"]}, "views[0]: no Augmentation called 'Jiter': did you mean"),
    ({"views": [{"class": "Jitter", "sd": "abc"}]}, "views[0].sd: 'abc' is not a num"),
    ({"views": [{"class": "Jitter", "sd": -0.1}]}, "views[0]: sd is -0.1, allowed is"),
    ({"views": "Jitter"}, "views: 'Jitter' is not a list or a mapping: write [Jitter]"),
    (
        {"objective": {"class": "Weighted", "objectives": ["CPC", {"class": "CPC", "hoizon": 2}]}},
        "objective.objectives[1].hoizon: CPC has no argument 'hoizon': did you mean horizon?",
    ),
    ({"training": {"epoch": 3}}, "training.epoch: no setting 'epoch': did you mean epo"),
    ({"training": {"epochs": "many"}}, "training.epochs: 'many' is not a whole number"),
    ({"training": {"epochs": 0}}, "training.epochs is 0, it must be above 0"),
    ({"training": {"learning_rate": "0.5x"}}, "training.learning_rate: '0.5x' is not a"),
    (
        {"training": {"optimizer": "adam"}},
        "training.optimizer: 'adam' is not allowed: did you mean adamw? Allowed: adamw, lars, sgd",
    ),
    ({"training": 5}, "training: 5 is not a mapping of settings: write {epochs: …}"),
    ({"data": {}}, "data.source: this is missing, name the folder of a store or a"),
    ({"data": {"source": 7}}, "data.source: 7 is not text"),
    ({"data": {"source": "hapt", "test": [7]}}, "data.test[0]: 7 is not text: put it in quotes"),
    (
        {"data": {"source": "hapt", "test": "P07,P08"}},
        "data.test: 'P07,P08' is not a list: write [P07,P08]",
    ),
]


@pytest.mark.parametrize(("change", "message"), IN_CONFIG)
def test_a_mistake_in_a_config_is_named_with_its_place(
    change: dict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = config(tmp_path, **change)
    error = error_of(["pretrain", str(path)], tmp_path, capsys)
    assert error.startswith(f"{path}: {message}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty, expected settings"),
        ("# nothing\n", "it is empty, expected settings"),
        ("- a\n- b\n", "it holds a list, expected settings"),
        ("training\n", "it holds a str, expected settings"),
        ("data: {source: a}\ndata: {source: b}\n", "the key 'data' is there twice, in line 1"),
        ("data:\n\tsource: hapt\n", "line 2: "),
        ("data: {source: hapt\nencoder: CNN1d\n", "line 2: "),
    ],
)
def test_what_is_no_config_is_named_with_the_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    for command in ("pretrain", "bench"):
        error = error_of([command, str(path)], tmp_path, capsys)
        assert error.startswith(f"{path}: {message}")
    if "\t" in text:
        assert error.endswith("indent with spaces, not with tabs\n")


ON_COMMAND_LINE = [
    (["--training.epochs", "many"], "--training.epochs: 'many' is not a whole number"),
    (["--training.epochs", "0"], "--training.epochs is 0, it must be above 0"),
    (["--training.chunk_size", "some"], "--training.chunk_size: 'some' is not a whole number"),
    (
        ["--encoder.widht", "3"],
        "--encoder.widht: CNN1d has no argument 'widht': did you mean width?",
    ),
    (["--encoder.width", "few"], "--encoder.width: 'few' is not a whole number"),
    (["--objective", "MoCoo"], "--objective: no Objective called 'MoCoo': did you mean MoCo?"),
    (["--objective.temperature", "-1"], "--objective: temperature is -1.0, it must be finite"),
    (["--views", "[Jiter]"], "--views[0]: no Augmentation called 'Jiter': did you mean Jitter?"),
    (["--encodr", "CNN1d"], "no option --encodr: did you mean encoder? Allowed: "),
    (["--training.epoch", "3"], "no option --training.epoch: did you mean training.epochs? "),
    (["--training.epochs"], "--training.epochs needs a value: Passes over the training windows"),
    (["--views", "[{class: Crop, class: Jitter}]"], "--views: the key 'class' is there twice"),
]


@pytest.mark.parametrize(("words", "message"), ON_COMMAND_LINE)
def test_a_mistake_on_the_command_line_is_not_blamed_on_the_config(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    error = error_of(["pretrain", str(config(tmp_path)), *words], tmp_path, capsys)
    assert "config.yaml" not in error
    assert error.startswith(message)


def test_a_mistake_in_a_file_of_options_is_named_with_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "logs.yaml"
    words = ["ingest", str(tmp_path), "--config", str(path)]
    path.write_text("log_rate: fast\n")
    assert error_of(words, tmp_path, capsys) == f"{path}: log_rate: 'fast' is not a number\n"
    path.write_text("log_rat: 50\n")
    error = error_of(words, tmp_path, capsys)
    assert error.startswith(
        f"{path}: log_rat: Tabular has no argument 'log_rat': did you mean log_rate?"
    )
    path.write_text("log_rate: fast\n")
    error = error_of([*words, "--log-rate", "slow"], tmp_path, capsys)
    assert error == "--log_rate: 'slow' is not a number\n"


def test_a_suite_without_a_file_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    error = error_of(["bench", "--datasets", "hapt"], tmp_path, capsys)
    assert error == "methods: this is missing, expected a mapping\n"


IN_SUITE = [
    (
        {"methods": "{a: {class: HandFeatures, whitten: true}, b: Catch24}"},
        "methods.a.whitten: HandFeatures has no argument 'whitten': did you mean whiten?",
    ),
    (
        {"datasets": "[hapt, {name: hapt, windw: 2.5}]"},
        "datasets[1].windw: no setting 'windw': did you mean window? Allowed: ",
    ),
    (
        {"protocols": "[{class: Official, validatoin: 0.5}]"},
        "protocols[0].validatoin: Official has no argument 'validatoin': did you mean validation?",
    ),
    ({"protocls": "[]"}, "protocls: no setting 'protocls': did you mean protocols?"),
    (
        {"protocols": "[{class: GivenSubjects, test: ['1', 7]}]"},
        "protocols[0].test[1]: 7 is not text: put it in quotes\n",
    ),
    (
        {"protocols": "[{class: GivenSubjects, test: [true]}]"},
        "protocols[0].test[0]: true is not text: put it in quotes\n",
    ),
    (
        {"protocols": "[{class: GivenSubjects, test: [{a: 1}]}]"},
        "protocols[0].test[0]: {'a': 1} is not text\n",
    ),
    ({"root": "7"}, "root: 7 is not text: put it in quotes\n"),
    (
        {"methods": "{hf: {class: HandFeatures, heads: 7}}"},
        "methods.hf.heads: 7 is not a list: write [7]\n",
    ),
    ({"draws": "0"}, "draws is 0, it must be at least 1\n"),
]


@pytest.mark.parametrize(("change", "message"), IN_SUITE)
def test_a_mistake_in_a_suite_is_named_with_its_place(
    change: dict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = suite(tmp_path, **change)
    assert error_of(["bench", str(path)], tmp_path, capsys).startswith(f"{path}: {message}")


@pytest.mark.parametrize("method", ["HandFeature", "{class: HandFeature}"])
def test_a_misspelt_class_is_answered_with_those_of_its_kind(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    error = error_of(["bench", str(suite(tmp_path, methods=f"{{hf: {method}}}"))], tmp_path, capsys)
    assert "methods.hf: no Method called 'HandFeature': did you mean HandFeatures? " in error
    assert error.endswith(f"Allowed: {', '.join(sorted(subclasses(Method)))}\n")


def test_a_class_that_is_like_none_is_answered_with_all_encoders_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    error = error_of(["pretrain", str(config(tmp_path, encoder="Qqqqqq"))], tmp_path, capsys)
    assert error.endswith(f"choose among {', '.join(sorted(subclasses(Encoder)))}\n")


def test_the_same_mistake_from_python_names_the_argument_or_the_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^training\.epochs: 'many' is not a whole number$"):
        pretrain("synthetic", out=tmp_path, training={"epochs": "many"})
    with pytest.raises(SpecError, match=r"^data\.source: this is missing|ntxent: data\.source"):
        read_config("ntxent")
    path = config(tmp_path, training={"epochs": "many"})
    with pytest.raises(SpecError, match=r"config\.yaml: training\.epochs: 'many' is not"):
        read_config(path)


def test_a_mistake_in_the_config_of_a_method_is_named_with_the_file(tmp_path: Path) -> None:
    path = config(tmp_path, views=[{"class": "Jitter", "sd": -0.1}])
    with pytest.raises(ValueError, match=r"sd is -0\.1, allowed is") as refused:
        Pretrained(str(path)).check()
    assert str(refused.value).startswith(f"{path}: views[0]: sd is")


def test_an_objective_of_a_method_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match=r"^objective: no Objective called 'MoCoo'"):
        Pretrained("ntxent", objective="MoCoo").check()


@pytest.mark.parametrize("name", ["ntxnet", "configs/ntxnet.yaml"])
def test_a_preset_or_a_file_that_there_is_not(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    error = error_of(["pretrain", name], tmp_path, capsys, code=1)
    assert "did you mean ntxent?" in error if name == "ntxnet" else f"no config {name}: " in error
    assert "tsclr presets" in error or "Allowed: cmc, " in error


def suites_of(monkeypatch: pytest.MonkeyPatch) -> list:
    """Suites that `tsclr bench` would score."""
    read: list = []

    def bench(suite: object, out: Path, jobs: int) -> Path:
        read.append(suite)
        return out

    monkeypatch.setattr("tsclr.bench.runner.bench", bench)
    return read


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_suite_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = suites_of(monkeypatch)
    assert main(["bench", str(path), "--out", "somewhere"]) == 0
    assert list(read[0].methods) == list(yaml.safe_load(path.read_text())["methods"])
    for method in read[0].methods.values():
        assert isinstance(method, Method)


def test_options_change_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = suites_of(monkeypatch)
    words = ["--budgets", "1,10%,all", "--heads=knn", "--draws", "3", "--datasets", "hapt,wisdm"]
    assert main(["bench", str(suite(tmp_path)), "--out", "somewhere", *words]) == 0
    (changed,) = read
    assert changed.budgets == [1, "10%", "all"]
    assert (changed.heads, changed.draws, changed.datasets) == (["knn"], 3, ["hapt", "wisdm"])

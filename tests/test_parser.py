from pathlib import Path

import pytest
import yaml

from tsclr.bench.methods import HandFeatures, Method, Pretrained
from tsclr.cli import main
from tsclr.config.parser import load
from tsclr.config.pretraining import config_contents, read_config
from tsclr.encoders import Encoder
from tsclr.specs import subclasses

SUITES = sorted(Path("benchmarks/suites").glob("*.yaml"))
PRETRAINING = Path("configs/ntxent_store.yaml")
HAND = "{hf: {class_path: HandFeatures}}"


def _suite(folder: Path, methods: str = HAND, **more: str) -> str:
    """A suite in a file, and whatever else it says."""
    said = {"datasets": "[hapt]", "methods": methods, **more}
    path = folder / "suite.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in said.items()))
    return str(path)


def _told(words: list[str], folder: Path, capsys: pytest.CaptureFixture, code: int = 2) -> str:
    """What a command says that fails."""
    assert main([*words, "--out", str(folder / "out")]) == code
    return capsys.readouterr().err


def _changed(folder: Path, name: str, change: dict) -> Path:
    """A config of a pretraining with other contents."""
    path = folder / name
    path.write_text(yaml.safe_dump(yaml.safe_load(PRETRAINING.read_text()) | change))
    return path


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", (1, 3)),
        ("a:\n- b:\n    c: 1\n    'c': 1\n", "c", (3, 4)),
        ("a: &x {b: 1}\nc: [*x, *x]\nd: {e: 1,\n  e: 2}\n", "e", (3, 4)),
        ("? [a, b]\n: {c: 1, c: 2}\n", "c", (2, 2)),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: str, key: str, lines: tuple) -> None:
    with pytest.raises(TypeError, match=f"the key '{key}' is there twice, in line") as refused:
        load(text)
    assert "in line {} and in line {}:".format(*lines) in str(refused.value)


@pytest.mark.parametrize("text", ["", "a", "a: {b: 1}\nc: {b: 1}", "a: &x {b: 1}\nc: *x", "[1e-3]"])
def test_what_has_no_key_twice_is_read_as_ever(text: str) -> None:
    assert load(text) == ([1e-3] if text == "[1e-3]" else yaml.safe_load(text))


def test_a_method_named_twice_in_a_suite(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    suite = _suite(tmp_path, "\n  hf: {class_path: HandFeatures}\n  hf: {class_path: Catch22}")
    told = _told(["bench", suite], tmp_path, capsys)
    assert f"tsclr bench: {suite}: the key 'hf' is there twice, in line 3 and in line 4" in told


def test_an_option_named_twice_in_a_file_that_a_config_names(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "data.yaml").write_text("source: hapt\nsource: wisdm\n")
    config = str(_changed(tmp_path, "config.yaml", {"data": "data.yaml"}))
    told = _told(["pretrain", config], tmp_path, capsys)
    assert f"{config}: data: Unable to load config 'data.yaml'" in told
    assert "the key 'source' is there twice, in line 1 and in line 2" in told


def test_a_key_twice_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["pretrain", str(PRETRAINING), "--data", "{source: a, source: b}"]
    assert "the key 'source' is there twice" in _told(words, tmp_path, capsys)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {
                "methods": "{a: {class_path: HandFeatures, init_args: {whitten: true}}, "
                "b: {class_path: Catch22}}"
            },
            "methods.a.init_args.whitten: Option 'whitten' is not accepted: "
            "did you mean whiten? Allowed: heads, whiten",
        ),
        (
            {
                "methods": "{a: {class_path: HandFeatures, init_args: {epochs: 3}}, "
                "b: {class_path: Pretrained, init_args: {config: c.yaml, epochs: 3}}}"
            },
            "methods.a.init_args.epochs: Option 'epochs' is not accepted: Allowed: heads, whiten",
        ),
        (
            {"datasets": "[hapt, {name: hapt, windw: 2.5}]"},
            "datasets[1].windw: Option 'windw' is not accepted: did you mean window? Allowed: ",
        ),
        (
            {"protocols": "[{class_path: Official, init_args: {validatoin: 0.5}}]"},
            "protocols[0].init_args.validatoin: Option 'validatoin' is not accepted: "
            "did you mean validation? Allowed: ",
        ),
        ({"protocls": "[]"}, "protocls: Option 'protocls' is not accepted: did you mean protocols"),
        (
            {"protocols": "[{class_path: GivenSubjects, init_args: {test: ['1', 7]}}]"},
            "protocols[0].init_args.test[1]: Expected a <class 'str'>. Got value: 7; "
            "put it in quotes\n",
        ),
        (
            {"protocols": "[{class_path: GivenSubjects, init_args: {test: [true]}}]"},
            "protocols[0].init_args.test[0]: Expected a <class 'str'>. Got value: True; "
            "put it in quotes\n",
        ),
        (
            {"root": "7"},
            "root: Expected a <class 'str'> or <class 'NoneType'>. Got value: 7; "
            "put it in quotes\n",
        ),
        (
            {"methods": "{hf: {class_path: HandFeatures, init_args: {heads: 7}}}"},
            "methods.hf.init_args.heads: Expected a <class 'collections.abc.Sequence'> or "
            "<class 'NoneType'>. Got value: 7\n",
        ),
        (
            {"protocols": "[{class_path: GivenSubjects, init_args: {test: [{a: 1}]}}]"},
            "Expected a <class 'str'>. Got value: {'a': 1}\n",
        ),
    ],
)
def test_a_mistake_in_a_suite_is_told_with_its_place(
    change: dict, told: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    suite = _suite(tmp_path, **change)
    said = _told(["bench", suite], tmp_path, capsys)
    assert told in said
    assert said.startswith(f"tsclr bench: {suite}: " if "{'a'" not in told else "tsclr bench: ")
    assert said.endswith("\n  see tsclr bench --help\n")


@pytest.mark.parametrize("shape", ["{hf: HandFeature}", "{hf: {class_path: HandFeature}}"])
def test_a_misspelt_class_is_told_with_those_of_its_kind(
    shape: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    told = _told(["bench", _suite(tmp_path, shape)], tmp_path, capsys)
    assert "suite.yaml: methods.hf" in told
    assert "no class HandFeature: did you mean HandFeatures? Allowed: " in told
    assert f"Allowed: {', '.join(sorted(subclasses(Method)))}\n" in told


def test_a_class_that_is_like_none_is_told_with_all(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = _changed(tmp_path, "config.yaml", {"encoder": {"class_path": "Qqqqqq"}})
    told = _told(["pretrain", str(config)], tmp_path, capsys)
    assert "config.yaml: encoder.class_path: no class Qqqqqq: Allowed: " in told
    assert all(name in told for name in (*subclasses(Encoder), "NTXent", "Jitter", "Neighbour"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"encoder": {"class_path": "CNN1d", "init_args": {"widht": 3}}},
            "encoder.init_args.widht: Option 'widht' is not accepted: did you mean width?",
        ),
        (
            {
                "encoder": {
                    "class_path": "Concat",
                    "init_args": {
                        "channels": [[0], [1]],
                        "encoders": [
                            {"class_path": "CNN1d", "init_args": {"kernel": 3}},
                            {"class_path": "Transformer", "init_args": {"kernel": 3}},
                        ],
                    },
                }
            },
            "encoder.init_args.encoders[1].init_args.kernel: Option 'kernel' is not accepted",
        ),
        (
            {"views": {"weak": [], "strong": [{"class_path": "Jitter", "init_args": {"sdd": 1}}]}},
            "views.strong[0].init_args.sdd: Option 'sdd' is not accepted: did you mean sd?",
        ),
        (
            {"training": {"epoch": 3}},
            "training.epoch: Group 'training' does not accept option 'epoch': did you mean epochs?",
        ),
        (
            {"training": {"learning_rate": "0.5x"}},
            "training.learning_rate: Expected a <class 'float'>. Got value: 0.5x",
        ),
        (
            {"data": {"source": "hapt", "test": [7]}},
            "data.test[0]: Expected a <class 'str'>. Got value: 7; put it in quotes",
        ),
    ],
)
def test_a_mistake_in_the_config_of_a_pretraining_is_told_with_its_place(
    change: dict, told: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = _changed(tmp_path, "config.yaml", change)
    said = _told(["pretrain", str(config)], tmp_path, capsys)
    assert said.startswith(f"tsclr pretrain: {config}: {told}")
    said = _told(["bench", _suite(tmp_path, _pretrained(config))], tmp_path, capsys, code=1)
    assert said.startswith(f"tsclr: {config}: {told}")


def _pretrained(config: Path) -> str:
    """Methods of a suite: one with a config."""
    return f"{{p: {{class_path: Pretrained, init_args: {{config: {config}}}}}}}"


@pytest.mark.parametrize(
    "words",
    [
        ["--encoder.init_args.widht", "3"],
        ["--training.epochs", "many"],
        ["--encoder.init_args.width", "few"],
    ],
)
def test_a_mistake_on_the_command_line_is_not_looked_for_in_the_config(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    change = {"encoder": {"class_path": "CNN1d", "init_args": {"width": 8}}}
    config = _changed(tmp_path, "config.yaml", change)
    told = _told(["pretrain", str(config), *words], tmp_path, capsys)
    assert "config.yaml" not in told
    assert words[1] in told or "did you mean width?" in told


def test_an_option_that_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["pretrain", str(PRETRAINING), "--encodr", "CNN1d"]
    told = _told(words, tmp_path, capsys)
    assert "unrecognized arguments: --encodr CNN1d: did you mean encoder? Allowed: " in told


@pytest.mark.parametrize("command", ["bench", "pretrain"])
def test_what_is_no_yaml_is_told_by_file_and_line_without_a_near_name(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("seed: 3\nmethods: {hf: {class_path: HandFeatures}\n")
    told = _told([command, str(broken)], tmp_path, capsys)
    assert told.startswith(f"tsclr {command}: {broken}: ")
    assert "line 2" in told
    assert "did you mean" not in told
    assert "unicode string" not in told


@pytest.mark.parametrize("read", [read_config, config_contents])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: {source: hapt\n", "line 1"),
        ("data: {source: hapt}\n", "the following arguments are required: "),
    ],
)
def test_a_config_that_cannot_be_read_is_named_and_no_exit(
    text: str, told: str, read: object, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert callable(read)
    with pytest.raises(ValueError, match=told) as refused:
        read(config)
    assert str(refused.value).count(str(config)) == 1


def test_a_setting_out_of_range_in_the_config_of_a_method_is_told_with_the_file(
    tmp_path: Path,
) -> None:
    views = [{"class_path": "Jitter", "init_args": {"sd": -0.1}}]
    config = _changed(tmp_path, "config.yaml", {"views": views})
    with pytest.raises(ValueError, match=r"sd is -0\.1, allowed is") as refused:
        Pretrained(str(config)).check()
    assert str(refused.value).startswith(f"{config}: sd is")


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.stem)
def test_every_suite_can_be_read(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr("tsclr.bench.runner.bench", lambda *words: given.append(words[0]))
    assert main(["bench", str(suite), "--out", str(tmp_path)]) == 0
    assert list(given[0].methods) == list(yaml.safe_load(suite.read_text())["methods"])
    assert all(isinstance(method, Method) for method in given[0].methods.values())


def test_methods_of_one_class_with_the_same_mistake_are_both_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    one = f"{{class_path: {HandFeatures.__name__}, init_args: {{whitten: true}}}}"
    told = _told(["bench", _suite(tmp_path, f"{{a: {one}, b: {one}}}")], tmp_path, capsys)
    assert "methods.a.init_args.whitten or methods.b.init_args.whitten: Option" in told

"""The YAML or the command line of a pretraining in, the arguments of `pretrain` out."""

from argparse import ArgumentError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tsclr.augment import Augmentation
from tsclr.config.parser import Parser
from tsclr.encoders import Encoder
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.train.pretrain import pretrain


def parse_pretraining(parser: Parser, words: list[str], skip: set[str | int]) -> Any:
    """Options of a pretraining; a first word without a dash is the config.

    Parameters
    ----------
    parser : Parser
        With a ``--config`` and whatever else the command has.
    words : list of str
        The command line.
    skip : set of str
        Arguments of `tsclr.train.pretrain.pretrain` that are no options.
    """
    return parser.instantiate(_parsed(parser, words, skip))


def _parsed(parser: Parser, words: list[str], skip: set[str | int]) -> Any:
    """The same as plain data."""
    parser.kinds = (Encoder, Objective, Augmentation, Pairing)
    parser.add_function_arguments(pretrain, skip=skip, as_positional=False)
    if words and not words[0].startswith("-"):
        words = ["--config", *words]
    return parser.parse_args(words)


def read_config(config: Path) -> Any:
    """What a config gives `tsclr.train.pretrain.pretrain`, all but the folder, as attributes.

    Parameters
    ----------
    config : Path
        YAML file, as ``tsclr pretrain`` takes it.

    Raises
    ------
    ValueError
        If it cannot be read; the message names the file and the place in it.
    """
    with _named(config) as parser:
        return parse_pretraining(parser, [str(config)], skip={"resume", "out"})


def config_contents(config: Path) -> dict[str, Any]:
    """What a config says as plain data, with every default and with the files that it names.

    Parameters
    ----------
    config : Path
        YAML file, as ``tsclr pretrain`` takes it.

    Raises
    ------
    ValueError
        If it cannot be read; the message names the file and the place in it.
    """
    with _named(config) as parser:
        given = _parsed(parser, [str(config)], skip={"resume", "out"})
        return yaml.safe_load(parser.dump(given))


@contextmanager
def _named(config: Path) -> Iterator[Parser]:
    """A parser of nothing but a config, whose errors name the file."""
    parser = Parser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    try:
        yield parser
    except (ArgumentError, ValueError) as error:
        told = parser.explained(str(error))
        raise ValueError(told if str(config) in told else f"{config}: {told}") from error

"""The YAML or the command line of a pretraining in, the arguments of `pretrain` out."""

from pathlib import Path
from typing import Any

from tsclr.augment import Augmentation
from tsclr.encoders import Encoder
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.parser import Parser
from tsclr.pretrain import pretrain


def parse_pretraining(parser: Parser, words: list[str], skip: set[str | int]) -> Any:
    """Options of a pretraining; a first word without a dash is the config.

    Parameters
    ----------
    parser : Parser
        With a ``--config`` and whatever else the command has.
    words : list of str
        The command line.
    skip : set of str
        Arguments of `tsclr.pretrain.pretrain` that are no options.
    """
    parser.kinds = (Encoder, Objective, Augmentation, Pairing)
    parser.add_function_arguments(pretrain, skip=skip, as_positional=False)
    if words and not words[0].startswith("-"):
        words = ["--config", *words]
    return parser.instantiate(parser.parse_args(words))


def read_config(config: Path) -> Any:
    """What a config gives `tsclr.pretrain.pretrain`, all but the folder, as attributes.

    Parameters
    ----------
    config : Path
        YAML file, as ``tsclr pretrain`` takes it.
    """
    parser = Parser(prog="tsclr pretrain")
    parser.add_argument("--config", action="config")
    return parse_pretraining(parser, [str(config)], skip={"resume", "out"})

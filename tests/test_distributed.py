"""A step shared between two processes is the step of one, for every objective."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from tests.support.interruption import fail_first, finish, start
from tests.support.objectives import KINDS
from tests.support.two_processes import in_two_processes, run
from tsclr.distributed import GlooBatchNorm1d, on_rank_zero, with_synchronised_norms


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list:
    """What each of two processes got."""
    folder = tmp_path_factory.mktemp("processes")
    in_two_processes("tests.support.two_processes", str(folder))
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in (0, 1)]


def test_every_objective_does_the_same_in_two_processes(shared: list) -> None:
    for name in KINDS:
        alone = run(name)
        for found in (each[name] for each in shared):
            for what in ("losses", "gradients", "state"):
                torch.testing.assert_close(
                    found[what],
                    alone[what],
                    rtol=1e-9,
                    atol=1e-10,
                    msg=lambda text, name=name, what=what: f"{name}, {what}: {text}",
                )


def test_an_error_in_a_process_is_told() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        in_two_processes("tests.support.two_processes", str(Path("/nowhere")), "NTXent", timeout=60)
    assert "nowhere" in caught.value.stderr


def test_what_fails_in_the_first_process_fails_in_all(tmp_path: Path) -> None:
    finish(start(2, fail_first, tmp_path))
    told = [(tmp_path / number).read_text() for number in ("0", "1")]
    assert told == ["28 [Errno 28] no space left in process 0"] * 2


def test_alone_the_first_process_is_this_one() -> None:
    with pytest.raises(KeyError):
        on_rank_zero(lambda: {}["missing"])


@pytest.fixture
def group() -> Iterator[None]:
    """A group of one process: every path of several, in this one."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 4)])
@pytest.mark.parametrize("affine", [True, False])
def test_synchronised_norm_is_batch_norm(group: None, shape: tuple[int, ...], affine: bool) -> None:
    plain = nn.BatchNorm1d(5, affine=affine)
    norm = with_synchronised_norms(nn.BatchNorm1d(5, affine=affine), "cpu")
    assert isinstance(norm, GlooBatchNorm1d)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 3
    torch.testing.assert_close(norm(x), plain(x))
    torch.testing.assert_close(norm.state_dict(), plain.state_dict())
    torch.testing.assert_close(norm.eval()(x), plain.eval()(x))


def test_synchronised_norm_takes_its_moments_in_single_precision(group: None) -> None:
    """Far from 0 a moment in bfloat16 would be off by more than the spread."""
    x = torch.randn(512, 5, generator=torch.Generator().manual_seed(0)) + 100
    norm, plain = GlooBatchNorm1d(5), nn.BatchNorm1d(5)
    found, expected = norm(x.bfloat16()), plain(x.bfloat16().float())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.01, atol=0.02)
    torch.testing.assert_close(norm.running_mean, plain.running_mean)

"""Several objectives over one encoder: their terms, names, weights, and what they need."""

import copy
import json
import math

import pytest
import torch
import yaml

from tests.support.objectives import N_WINDOWS, C, batch
from tsclr.augment import Reverse
from tsclr.cli import main
from tsclr.embed.checkpoint import Checkpoint
from tsclr.encoders import CNN1d
from tsclr.objectives import MaskedReconstruction, NTXent, Objective, TransformPrediction, Weighted
from tsclr.specs import from_spec, spec_of


def built(objective):
    """An encoder in evaluation mode, so that its passes leave it alone, and the objective."""
    torch.manual_seed(0)
    encoder = CNN1d(C, width=8).double().eval()
    return encoder, objective.build(encoder, N_WINDOWS).double()


def test_terms_and_gradients_are_the_weighted_sum_of_those_alone():
    encoder, hybrid = built(Weighted([NTXent(), MaskedReconstruction()], weights=[0.5, 3.0]))
    given = batch()
    terms = hybrid(encoder, given)
    again = batch()  # the draws start anew, and go on from one objective to the next
    contrast = hybrid.objectives[0](encoder, again)["nt_xent"]
    reconstruction = hybrid.objectives[1](encoder, again)["reconstruction"]
    torch.testing.assert_close(
        terms, {"nt_xent": 0.5 * contrast, "reconstruction": 3.0 * reconstruction}
    )
    weights = list(encoder.layers.parameters())
    of_sum, of_contrast, of_reconstruction = (
        torch.autograd.grad(loss, weights)
        for loss in (sum(terms.values()), contrast, reconstruction)
    )
    for whole, one, other in zip(of_sum, of_contrast, of_reconstruction, strict=True):
        torch.testing.assert_close(whole, 0.5 * one + 3.0 * other)


def test_without_weights_all_count_as_they_are():
    encoder, hybrid = built(Weighted([NTXent(), MaskedReconstruction()]))
    assert hybrid.weights is None
    plain = hybrid(encoder, batch())
    hybrid.weights = [1.0, 1.0]
    torch.testing.assert_close(hybrid(encoder, batch()), plain)


def test_only_names_that_collide_get_a_number_also_inside_one_another():
    inner = Weighted([NTXent(), MaskedReconstruction(), NTXent()], weights=[2.0, 3.0, 5.0])
    encoder, hybrid = built(Weighted([NTXent(), inner], weights=[7.0, 11.0]))
    terms = hybrid(encoder, batch())
    assert list(terms) == ["nt_xent", "nt_xent_2", "reconstruction", "nt_xent_2_2"]
    alone = [objective(encoder, batch())["nt_xent"] for objective in inner.objectives[::2]]
    torch.testing.assert_close(terms["nt_xent_2"], 11.0 * 2.0 * alone[0])
    torch.testing.assert_close(terms["nt_xent_2_2"], 11.0 * 5.0 * alone[1])


def test_it_needs_the_views_and_labels_that_one_of_them_needs():
    first, second = NTXent(), MaskedReconstruction()
    assert (Weighted([second]).n_views, Weighted([second]).reads_labels) == (1, False)
    assert Weighted([second, first]).n_views == 2
    first.n_views, second.reads_labels = 3, True
    hybrid = Weighted([Weighted([first]), second])
    assert (hybrid.n_views, hybrid.reads_labels) == (3, True)
    encoder, hybrid = built(hybrid)
    with pytest.raises(ValueError, match="Weighted takes at least 3 views"):
        hybrid(encoder, batch(2))


def test_each_is_built_and_follows_every_step():
    members = [NTXent(), MaskedReconstruction()]
    encoder, hybrid = built(Weighted([members[0], Weighted([members[1]])]))
    assert all(member.built for member in members)
    followed = []
    for number, member in enumerate(members):
        member.after_step = lambda seen, number=number: followed.append((number, seen))
    hybrid.after_step(encoder)
    assert followed == [(0, encoder), (1, encoder)]


def test_two_of_a_kind_have_weights_of_their_own():
    hybrid = built(Weighted([NTXent(), NTXent()]))[1]
    first, second = (dict(each.named_parameters()) for each in hybrid.objectives)
    assert not torch.equal(first["projector.0.weight"], second["projector.0.weight"])


@pytest.mark.parametrize(
    "weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, math.inf], [math.nan, 1.0], []]
)
def test_weights_that_are_not_allowed_are_refused(weights):
    with pytest.raises(ValueError, match="allowed is one for each of 2 objectives") as caught:
        Weighted([NTXent(), MaskedReconstruction()], weights)
    assert f"weights are {weights}" in str(caught.value)


def test_nothing_to_weigh_is_refused():
    with pytest.raises(ValueError, match="objectives is 0"):
        Weighted([])


def test_its_settings_build_it_again():
    tasks = TransformPrediction([Reverse()])
    spec = spec_of(Weighted([NTXent(temperature=0.3), Weighted([tasks])], weights=[1.0, 2.0]))
    again = from_spec(Objective, json.loads(json.dumps(spec)))
    assert spec_of(again) == spec
    assert isinstance(again.objectives[1].objectives[0].augmentations[0], Reverse)


def test_a_copy_shares_nothing_with_the_original():
    original = Weighted([NTXent()])
    built(copy.deepcopy(original))
    assert not original.objectives[0].built


def test_a_run_of_nested_objectives_repeats_from_its_own_config(tiny_store, tmp_path):
    config = yaml.safe_load("""
    encoder: {class: CNN1d, width: 8}
    objective:
      class: Weighted
      objectives:
      - NTXent
      - class: Weighted
        objectives:
        - class: TransformPrediction
          augmentations:
          - {class: Permute, n_segments: 3}
          - Reverse
        weights: [0.25]
    pairing: Neighbour
    views: [Jitter]
    training: {epochs: 1, batch_size: 32, windows_per_epoch: 64}
    """)
    config["data"] = {"source": str(tiny_store)}
    (tmp_path / "nested.yaml").write_text(yaml.safe_dump(config))
    found = []
    for path, out in [("nested.yaml", "first"), ("first/config.yaml", "second")]:
        assert main(["pretrain", str(tmp_path / path), "--out", str(tmp_path / out)]) == 0
        found.append(Checkpoint.load(tmp_path / out))
    inner = found[0].settings["objective"]["objectives"][1]["objectives"][0]
    assert inner["augmentations"][0] == {"class": "Permute", "n_segments": 3, "p": 1.0}
    assert found[1].settings["objective"] == found[0].settings["objective"]
    torch.testing.assert_close(
        found[1].section("objective"), found[0].section("objective"), rtol=0, atol=0
    )

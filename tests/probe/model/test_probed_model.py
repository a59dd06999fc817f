"""A probed model runs, scores and permutes its sequences."""

import numpy as np
import pytest
import torch
from torch import nn

from unrolled import ArgumentError
from unrolled.probe.model.adapter import as_probed_model

from .conftest import RAGGED, Ends, Last, Steps


def test_a_module_runs_in_evaluation_mode_and_its_mode_is_restored() -> None:
    """Dropout is off while it is asked, and on again afterwards."""
    module = Last()
    module.head.eval()
    probed = as_probed_model(module, RAGGED, [0, 1, 2, 1, 0])
    assert torch.equal(probed.outputs(), probed.outputs())
    assert module.training
    assert module.core.training
    assert not module.head.training


def test_outputs_of_steps_are_padded_and_scored_step_by_step() -> None:
    """A step beyond a sequence's end counts neither in the loss nor in the hits."""
    module = Steps()
    y = [np.arange(len(sequence)) % 3 for sequence in RAGGED]
    probed = as_probed_model(module, RAGGED, y)
    scores = probed.score()
    for k, sequence in enumerate(RAGGED):
        alone = as_probed_model(module, [sequence], [y[k]]).score()
        np.testing.assert_allclose(scores.losses[k], alone.losses[0], rtol=1e-5)
        assert scores.accuracies[k] == pytest.approx(alone.accuracies[0])
        assert (scores.predictions[k, : len(sequence)] == alone.predictions[0]).all()


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    """Of a softmax that is sure, and wrong."""
    sure = Ends(lambda logits: nn.functional.one_hot(logits.argmax(-1) * 0, 3).float())
    probed = as_probed_model(sure, RAGGED, [0, 1, 2, 1, 0])
    assert probed.score().losses.tolist() == pytest.approx([0, 87.3, 87.3, 87.3, 0], rel=1e-2)


def test_targets_are_selected_and_permuted_with_their_sequences() -> None:
    """Values, lengths, and what is known of sequences and of steps."""
    y = [np.arange(len(sequence)) % 3 for sequence in RAGGED]
    probed = as_probed_model(Steps(), RAGGED, y)
    twice = probed.select(torch.tensor([1, 1, 0]))
    assert twice.lengths.tolist() == [7, 7, 4]
    order = torch.arange(7).flip(0).expand(3, 7)
    moved = twice.permuted(order)
    assert torch.equal(moved.values, twice.values.flip(1))
    assert torch.equal(moved.targets, twice.targets.flip(1))


def test_a_class_that_is_masked_makes_no_probabilities_of_logits() -> None:
    """Answers of minus infinity are refused as they were, and not told as a sure mistake."""
    masked = Ends(lambda logits: logits + torch.tensor([0.0, 0.0, -torch.inf]))
    probed = as_probed_model(masked, RAGGED)
    assert not probed.gives_probabilities
    with pytest.raises(ArgumentError, match="expected finite outputs"):
        probed.require_finite()

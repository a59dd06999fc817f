"""The CTC loss, its gradient, and the length of a training."""

from itertools import groupby, product

import numpy as np
import torch

from unrolled.models.audio.transcription.training import (
    ctc_criterion,
    transcription_network_config,
    transcription_training_config,
)
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.sequence.dataset import SequenceBatch
from unrolled.models.text.translation.dataset import TokenRows

ROWS = TokenRows.from_arrays([np.array([1, 1]), np.array([2]), np.array([1, 2, 1, 2, 1])])


def _batch(rows: list[int], lengths: list[int]) -> SequenceBatch:
    T = max(lengths)
    return SequenceBatch(torch.zeros(len(rows), T, 1), torch.tensor(lengths), torch.tensor(rows))


def test_the_loss_sums_over_all_ways_to_spread_the_tokens() -> None:
    """Counted path by path; over the tokens of the usual transcript; outputs beyond a length do not count."""
    outputs = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 4, 3)))
    value, gradient = ctc_criterion(ROWS, stride=2)(outputs, _batch([0, 1], [8, 5]))
    losses = []
    for row, steps, tokens in ((0, 4, (1, 1)), (1, 3, (2,))):
        p = outputs[row].softmax(-1)
        paths = [path for path in product(range(3), repeat=steps)
                 if tuple(token for token, _ in groupby(path) if token) == tokens]  # fmt: skip
        losses.append(-np.log(sum(float(torch.stack([p[t, k] for t, k in enumerate(path)]).prod())
                                  for path in paths)))  # fmt: skip
    usual = (2 + 1 + 5) / 3
    np.testing.assert_allclose(float(value), np.mean(losses) / usual, rtol=1e-9)
    assert gradient.shape == outputs.shape
    assert not gradient[1, 3].any()


def test_the_gradient_is_that_of_the_loss() -> None:
    """Beside finite differences."""
    outputs = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 5, 3)))
    criterion, batch = ctc_criterion(ROWS, stride=1), _batch([1, 0], [5, 4])
    _, gradient = criterion(outputs, batch)
    for place in ((0, 1, 2), (1, 3, 1), (0, 4, 0)):
        ends = []
        for sign in (1, -1):
            moved = outputs.clone()
            moved[place] += sign * 1e-5
            ends.append(float(criterion(moved, batch)[0]))
        np.testing.assert_allclose(float(gradient[place]), (ends[0] - ends[1]) / 2e-5, atol=1e-6)


def test_a_transcript_without_outputs_counts_nothing() -> None:
    """As after a change of speed; without gradients too."""
    outputs = torch.zeros(1, 3, 3)
    with torch.no_grad():
        value, gradient = ctc_criterion(ROWS, stride=1)(outputs, _batch([2], [3]))
    assert float(value) == 0
    assert not gradient.any()


def test_few_recordings_train_for_more_epochs() -> None:
    """At least 20, at most 120; the number of the caller wins."""
    settings = {"batch_size": 16, "patience": None, "learning_rate": 1e-3, "seed": 0}
    epochs = [
        transcription_training_config(n, max_epochs=None, **settings).max_steps
        / transcription_training_config(n, max_epochs=1, **settings).max_steps
        for n in (40, 800, 6000)
    ]
    assert epochs == [120, 112, 20]
    config = transcription_training_config(400, max_epochs=3, **settings)
    assert config.patience == 3
    assert config.averaging is not None


def test_the_network_has_an_output_for_each_block_of_frames() -> None:
    """And for the blank and each token."""
    config = transcription_network_config(Transcriber(hidden_size=5, cell="lstm"), n_outputs=7, stride=2)
    assert (config.output_size, config.stem_stride, config.per_step) == (7, 2, True)
    assert (config.cell, config.hidden_size, config.num_layers) == ("lstm", 5, 2)

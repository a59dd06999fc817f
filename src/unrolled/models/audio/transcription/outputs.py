"""Outputs of the networks of a Transcriber for whole recordings: in batches, long ones piece by piece.

Shapes: T outputs, K kinds of output, the blank first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import scaled_samples
from unrolled.data.audio.recording import Recording
from unrolled.data.sequences import Sequences
from unrolled.models.audio.training import unscaled
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork
from unrolled.models.sequence.training import ensemble_outputs
from unrolled.nn.modules.inference import mean_answers

Floats = NDArray[np.float64]

_LONG_S = 60.0  # recordings from here on are read in pieces
_PIECE_S = 10


def recording_outputs(model: Any, recordings: Sequence[Recording]) -> list[Floats]:
    """Compute the probabilities (T_i, K) of the outputs of a Transcriber for N recordings.

    Those of a long one, where the model has streams, need the memory of ten seconds beside its samples; they
    are the same to the bit.
    """
    can_stream = not model.why_not_streamable()
    is_long = np.array([can_stream and recording.seconds > _LONG_S for recording in recordings])
    outputs: list[Floats] = [np.empty(0)] * len(recordings)
    for i in np.flatnonzero(is_long).tolist():
        outputs[i] = _outputs_of_long(model, recordings[i])
    short = np.flatnonzero(~is_long).tolist()
    if short:
        frames = model.normalized_frames([recordings[i] for i in short])
        for i, each in zip(short, output_probabilities(model.networks_, frames, model.device), strict=True):
            outputs[i] = each
    return outputs


def output_probabilities(networks: tuple[SequenceNetwork, ...], data: Sequences, device: str) -> list[Floats]:
    """Compute the mean probabilities (T_i, K) of some networks for normalised frames of N recordings."""
    dataset = SequenceDataset.from_sequences(data, unscaled(data.values.shape[1]), device=device)
    steps = networks[0].output_steps(torch.from_numpy(data.lengths)).tolist()
    probabilities: list[Floats] = [np.empty(0)] * len(data)
    for rows in dataset.length_batches():
        outputs = ensemble_outputs(networks, dataset, rows)
        for row, each in zip(rows.tolist(), mean_answers(outputs, is_class=True), strict=True):
            probabilities[row] = each[: steps[row]]
    return probabilities


def _outputs_of_long(model: Any, recording: Recording) -> Floats:
    """Compute the probabilities (T, K) of the outputs of a long recording, a piece after the other."""
    stream, size = model.stream(), _PIECE_S * recording.rate
    pieces = range(0, len(recording), size)
    parts = [stream.outputs(scaled_samples(recording.samples[start : start + size])) for start in pieces]
    return np.concatenate([*parts, stream.last_outputs()])

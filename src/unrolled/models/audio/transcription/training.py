"""Settings of the training of a Transcriber: the CTC loss, and weights averaged at the end.

Shapes: B recordings, T outputs, S tokens, K kinds of output, the blank first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.models.audio.transcription.transcripts import BLANK
from unrolled.models.sequence.dataset import SequenceBatch
from unrolled.models.sequence.network import Criterion, SequenceNetworkConfig
from unrolled.models.sequence.training import EncodedTargets
from unrolled.models.text.translation.dataset import TokenRows
from unrolled.train.config import (
    EpochBounds,
    TrainingConfig,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHANNELS, _SCALES = 96, 3  # of the stem, which sees a third of a second
_MEMORY_STEPS = 30  # of the slowest units at the start
_WEIGHT_DECAY = 0.02
_EPOCHS = EpochBounds(least=20, most=120, min_steps=5600)
_AVERAGED = 0.03  # share of all steps that the averaged weights mostly come from


def transcription_training_config(
    n_recordings: int,
    *,
    max_epochs: int | None,
    batch_size: int,
    patience: int | None,
    learning_rate: float,
    seed: int,
) -> TrainingConfig:
    """Count a training in epochs; by default 20, of few recordings as many as make 5,600 steps, 120 at most.

    In the second half of the training the weights are averaged.

    >>> settings = {"max_epochs": None, "patience": None, "learning_rate": 3e-3, "seed": 0}
    >>> transcription_training_config(6000, batch_size=16, **settings).max_steps
    7500
    >>> transcription_training_config(100, batch_size=16, **settings).batch_size
    8
    """
    return TrainingConfig.within_bounds(
        _EPOCHS,
        n_recordings,
        max_epochs=max_epochs,
        batch_size=batch_size,
        patience=patience,
        learning_rate=learning_rate,
        weight_decay=_WEIGHT_DECAY,
        seed=seed,
        averaged=_AVERAGED,
    )


def transcription_network_config(model: Any, n_outputs: int, stride: int) -> SequenceNetworkConfig:
    """Make the settings of a network from the parameters of a Transcriber.

    Args:
        model: the Transcriber.
        n_outputs: K.
        stride: frames an output.
    """
    return SequenceNetworkConfig(
        input_size=int(model.n_bands),
        output_size=n_outputs,
        cell=model.cell,
        hidden_size=int(model.hidden_size),
        num_layers=int(model.num_layers),
        dropout=float(model.dropout),
        bidirectional=bool(model.bidirectional),
        per_step=True,
        stem_channels=_CHANNELS,
        stem_scales=_SCALES,
        stem_stride=stride,
        memory_steps=_MEMORY_STEPS,
    )


def ctc_criterion(transcripts: TokenRows, stride: int) -> Criterion:
    """Make the loss of outputs (B, T, K) whose batch names the transcript of each recording as its target.

        loss = mean_i -ln p(transcript_i) / (tokens of the usual transcript)

    p sums over all ways to spread the tokens over the outputs, blanks between them; a transcript that a
    recording has no outputs for, as after a change of its speed, counts nothing.

    Source: Graves et al., Connectionist Temporal Classification (2006).

    Args:
        transcripts: N rows of tokens.
        stride: frames an output.
    """
    usual = float(transcripts.lengths.double().mean().clamp(min=1))

    def criterion(outputs: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        rows = batch.targets.cpu()
        targets, lengths = transcripts.padded(rows, BLANK).t(), transcripts.lengths[rows]
        targets = targets.contiguous().to(outputs.device)
        steps = (batch.lengths.cpu() + stride - 1) // stride
        with torch.enable_grad():
            leaf = outputs.detach().clone().requires_grad_()
            log_p = leaf.log_softmax(2).transpose(0, 1)
            losses = F.ctc_loss(
                log_p, targets, steps, lengths, blank=BLANK, reduction="none", zero_infinity=True
            )
            value = losses.mean() / usual
            (gradient,) = torch.autograd.grad(value, leaf)
        return value.detach(), gradient

    return criterion


def ctc_targets(transcripts: TokenRows, output_size: int, stride: int) -> EncodedTargets:
    """Make the targets of N recordings, the row of its transcript for each, with their loss.

    Args:
        transcripts: N rows of tokens.
        output_size: K.
        stride: frames an output.
    """
    return EncodedTargets(
        values=torch.arange(len(transcripts.lengths)),
        output_size=output_size,
        criterion=ctc_criterion(transcripts, stride),
        learned={},
        loss_settings=(transcripts.flat.tolist(), transcripts.lengths.tolist()),
    )

"""Train a language model: parallel streams through the text, the state carried from window to window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.text.language.codec import END, LanguageCodec
from unrolled.formatting import quantity
from unrolled.models.fitting import identified
from unrolled.models.text.language.dataset import StreamDataset
from unrolled.models.text.language.network import LanguageNetwork, LanguageNetworkConfig
from unrolled.train.config import AveragingConfig, EpochBounds, Monitor, TrainingConfig
from unrolled.train.ensemble import Ensemble, fit_ensemble
from unrolled.train.history import History

_MOST_STREAMS, _LEAST_STREAMS = 16, 4  # of more, a pass has too few steps
_TOKENS_A_STREAM = 600  # at least, where batch_size is None
_EPOCHS = EpochBounds(least=5, most=80, min_steps=600)
_WINDOWS_A_PASS, _LEAST_WINDOW = 8, 16  # of a short text, whose windows are shorter than they may be
_PATIENCE = 0.3  # of all epochs
_WEIGHT_DECAY = 0.01
_AVERAGED_SHARE = 0.05  # of all steps: what the running mean of the weights remembers
_FRACTION, _MOST_FRACTION, _USUAL_VALIDATION = 0.05, 0.2, 500  # characters; where the fraction is None
_MIN_VALIDATION = 50  # characters
_LONG_TEXT = 300_000  # characters that a few passes do not overfit; their end is most like what follows


def token_stream(texts: Sequence[str], codec: LanguageCodec, *, has_ends: bool) -> Tensor:
    """Put documents one after the other: END, tokens, END, tokens, ... and, if each has an end, END.

    >>> codec = LanguageCodec.learn(["ab", "b"], "char", min_count=1)
    >>> token_stream(["ab", "b"], codec, has_ends=True).tolist()
    [1, 3, 2, 1, 2, 1]
    """
    parts: list[NDArray[np.int64]] = []
    for text in texts:
        parts += [np.array([END]), codec.encode(text).positions]
    if has_ends:
        parts.append(np.array([END]))
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))


def hold_out(
    texts: list[str], fraction: float | None, seed: int, *, are_documents: bool
) -> tuple[list[str], list[str]]:
    """Split off the validation text: the end of a running text, or documents drawn at random.

    Nothing is held out where it would be less than 50 characters, or the only document.

    Args:
        texts: documents, or one running text.
        fraction: of the characters, or of the documents; None for 0.05, of short texts as much as holds 500
            characters, but no more than 0.2, and of 300,000 characters or more none.
        seed: of the draw.
        are_documents: whether the texts are documents.

    >>> training, validation = hold_out(["to be or not to be " * 100], None, 0, are_documents=False)
    >>> len(training[0]), len(validation[0])
    (1520, 380)
    """
    n_characters = sum(map(len, texts))
    if fraction is None:
        fraction = min(max(_FRACTION, _USUAL_VALIDATION / n_characters), _MOST_FRACTION)
        fraction = 0.0 if n_characters >= _LONG_TEXT else fraction
    if fraction * n_characters < _MIN_VALIDATION or (are_documents and len(texts) < 2):
        return texts, []
    if not are_documents:
        cut = n_characters - round(fraction * n_characters)
        return [texts[0][:cut]], [texts[0][cut:]]
    n_held_out = min(max(1, round(fraction * len(texts))), len(texts) - 1)
    held_out = set(np.random.default_rng(seed).permutation(len(texts))[:n_held_out].tolist())
    parts = [[text for i, text in enumerate(texts) if (i in held_out) is side] for side in (False, True)]
    return parts[0], parts[1]


def language_training_config(
    n_tokens: int,
    *,
    window: int,
    batch_size: int | None,
    max_epochs: int | None,
    patience: int | None,
    learning_rate: float,
    seed: int,
) -> tuple[TrainingConfig, int, int]:
    """Count a training in epochs; by default five, of short texts as many as make 600 steps, 80 at most.

    A short text is cut into at least eight windows a pass, of at least 16 steps.

    Returns:
        The settings, the number of parallel streams, and the window.

    >>> settings = {"window": 64, "batch_size": None, "max_epochs": None, "patience": None, "seed": 0}
    >>> config, n_streams, window = language_training_config(1_000_000, learning_rate=1e-3, **settings)
    >>> config.max_steps, n_streams
    (4885, 16)
    """
    n_streams = batch_size or min(_MOST_STREAMS, max(_LEAST_STREAMS, n_tokens // _TOKENS_A_STREAM))
    n_streams = max(1, min(n_streams, n_tokens // 2))
    n_steps = n_tokens // n_streams
    window = min(window, max(_LEAST_WINDOW, n_steps // _WINDOWS_A_PASS))
    n_windows = max(1, round(n_steps / window))
    max_epochs = max_epochs or _EPOCHS.epochs(n_windows)
    config = TrainingConfig.of_epochs(
        max_epochs,
        n_windows * n_streams,
        n_streams,
        learning_rate=learning_rate,
        weight_decay=_WEIGHT_DECAY,
        patience=patience or max(3, round(_PATIENCE * max_epochs)),
        seed=seed,
        stateful=True,
    )
    averaged = max(10.0, _AVERAGED_SHARE * config.max_steps)
    return replace(config, averaging=AveragingConfig(1 - 1 / averaged)), n_streams, window


def fit_language_network(
    training: Tensor,
    validation: Tensor | None,
    network_config: LanguageNetworkConfig,
    config: TrainingConfig,
    *,
    n_streams: int,
    window: int,
    device: str,
    monitor: Monitor,
) -> Ensemble[LanguageNetwork]:
    """Train a network; those averaged weights are kept whose loss on the validation text was lowest.

    Args:
        training: (N + 1,) tokens, of which each but the first is a target.
        validation: the same of the text that is held out; None for none.
        network_config: of the network.
        config: see `language_training_config`.
        n_streams: that are read in parallel.
        window: usual steps of backpropagation.
        device: where the network is.
        monitor: checkpoint, progress line and callbacks.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the first epoch ended.
        TrainingError: the loss is no longer finite.
        ModelLoadError: a checkpoint is damaged, or was made with other settings.
    """
    settings = {"n_streams": n_streams, "window": window, "device": device}
    dataset = StreamDataset(training, is_training=True, **settings)  # type: ignore[arg-type]
    held_out = None
    if validation is not None:
        held_out = StreamDataset(validation, is_training=False, **settings)  # type: ignore[arg-type]
    config = identified(config, monitor, dataset, held_out, network_config)
    return fit_ensemble(
        lambda: LanguageNetwork(network_config).to(device),
        lambda network, batch, state: network.loss(batch, state),
        dataset,
        held_out,
        config,
        monitor=monitor,
    )


def stopping_words(history: History, n_validation: int) -> str:
    """Explain in a sentence how many epochs were trained.

    Args:
        history: of the training.
        n_validation: tokens that were held out.
    """
    n_epochs = quantity(history.count, "epoch")
    if history.stopped == "interrupted":
        return f"Interrupted by Ctrl-C after {n_epochs}."
    if not n_validation:
        return f"Nothing was held out: {n_epochs}, as many as were to be."
    way = "none of the next was better" if history.stopped == "early" else "all of them ran"
    best = f"Epoch {history.best_count} of {history.count}"
    return f"{best} was the best on {n_validation:,} held-out tokens; {way}."

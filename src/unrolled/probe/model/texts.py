"""Probe estimators of texts: the vectors of their words are the input whose influence counts.

A step is a column for each number of a word's vector, those of all networks of an ensemble side by side, so
that steps can be permuted and gradients have something to end at.

Shapes: N texts, B of them at once, T words of the longest, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.models.protocols import SupportsTokenTargets
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.targets import encode_targets


@dataclass(frozen=True, eq=False)
class TextCall:
    """Call of networks with vectors, each reading its own columns.

    Args:
        networks: of an ensemble.
        width: numbers of a vector of one network.
        words: N arrays (T_i,) of words, on which a copy of the model can be trained.
        run: computes the outputs of a network from its vectors and the lengths.
    """

    networks: tuple[nn.Module, ...]
    width: int
    words: Sequence[NDArray[Any]]
    run: Callable[[Any, Tensor, Tensor], Tensor]

    def __call__(self, network: nn.Module, values: Tensor, lengths: Tensor, rows: Tensor) -> Tensor:
        """Run a network on its columns of the steps (B, T, D)."""
        del rows
        k = next(k for k, each in enumerate(self.networks) if each is network)
        return self.run(network, values[..., k * self.width : (k + 1) * self.width], lengths)


def probed_texts(model: Any, X: Any, y: Any, name: str, caller: str) -> ProbedModel:
    """Pair a fitted estimator of texts with the texts to probe it on.

    Args:
        model: it has the methods of `SupportsTokenVectors`.
        X: N texts, as the model reads them.
        y: labels, one a text; for a tagger a list of tags for each; None for a language model, which predicts
            the tokens of X, and where the probe needs none.
        name: the model's name in a sentence.
        caller: name of the probe, for error messages.

    Raises:
        ArgumentError: y is given to a language model.
        DataError: X or y cannot be used.
    """
    vectors, lengths = model.token_vectors(X)
    networks: tuple[nn.Module, ...] = tuple(model.networks_)
    predicts_tokens = isinstance(model, SupportsTokenTargets)
    per_step = predicts_tokens or bool(model.network_config_.per_step)
    classes, targets = model.output_classes(), None
    if predicts_tokens:
        if y is not None:
            raise ArgumentError(
                f"{caller} y: a language model predicts the next token of X, and has no labels; got "
                f"{type(y).__name__}. Pass None."
            )
        targets = model.token_targets(X)
    elif y is not None:
        targets = encode_targets(y, lengths, classes, per_step=per_step, caller=f"{caller} y")
        targets = targets.to(lengths.device)
    return ProbedModel(
        name=name,
        task="class",
        networks=networks,
        call=TextCall(networks, vectors[0].shape[-1], model.token_texts(X), model.vector_outputs),
        values=torch.cat(vectors, -1),
        lengths=lengths,
        classes=classes,
        targets=targets,
        per_step=per_step,
        stem_stride=1,
    )

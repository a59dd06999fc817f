"""Network of a language model: an embedding, recurrent layers, a readout over the vocabulary.

Shapes: T steps, B streams, E numbers of an embedding, H units, L layers, V tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from unrolled.models.recurrent_core import CoreConfig, recurrent_core
from unrolled.models.text.language.dataset import StreamBatch
from unrolled.nn.modules.chunked_cross_entropy import chunked_cross_entropy
from unrolled.nn.modules.dropout import locked_dropout, run_with_weight_dropout
from unrolled.train.loop import BatchLoss

State = tuple[Tensor, ...]  # (1, B, H) each: of every layer h, and of an LSTM c behind it

_TIED_SPREAD = 0.1  # of initial embeddings that are the readout too; others are normal, as in torch


@dataclass(frozen=True, kw_only=True)
class LanguageNetworkConfig(CoreConfig):
    """Settings of a LanguageNetwork.

    Args:
        n_tokens: V, the unknown token and the end of a document counted.
        embedding_size: E.
        tied_weights: whether the readout has the weights of the embedding, behind a projection to E.
        embedding_dropout: of the numbers of an embedding, locked over the steps.
        weight_dropout: of the recurrent weights.
        activation_penalty: α, times the mean square of the dropped outputs of the last layer.
        slowness_penalty: β, times the mean square of the change of its outputs from step to step.
    """

    n_tokens: int
    embedding_size: int
    tied_weights: bool = True
    embedding_dropout: float = 0.0
    weight_dropout: float = 0.0
    activation_penalty: float = 0.0
    slowness_penalty: float = 0.0


class LanguageNetwork(nn.Module):
    """Network from tokens to the next one of each, with the state handed in and out.

        x_t = E[token_t],  h_t = layers(x_t),  z_t = W P h_t + b

    W is E where weights are tied, and P then maps H to E numbers unless they are equal. Outputs of every
    layer, and embeddings, are dropped the same way at all steps of a call; recurrent weights once a call.

    Source: Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models (2018); tied weights:
    Press and Wolf (2017), Inan et al. (2017).
    """

    def __init__(self, config: LanguageNetworkConfig) -> None:
        super().__init__()
        self.config = config
        E, H, V = config.embedding_size, config.hidden_size, config.n_tokens
        self.embedding = nn.Embedding(V, E)
        if config.tied_weights:
            nn.init.uniform_(self.embedding.weight, -_TIED_SPREAD, _TIED_SPREAD)
        core = CoreConfig(cell=config.cell, hidden_size=H, activation=config.activation)
        layers = [recurrent_core(core, E if k == 0 else H) for k in range(config.num_layers)]
        for layer in layers:
            layer.batch_first = False
        self.layers = nn.ModuleList(layers)
        self.projection = nn.Linear(H, E) if config.tied_weights and H != E else None
        self.readout_weight = None if config.tied_weights else nn.Parameter(torch.empty(V, H))
        if self.readout_weight is not None:
            nn.init.uniform_(self.readout_weight, -(H**-0.5), H**-0.5)
        self.readout_bias = nn.Parameter(torch.zeros(V))
        self.float()

    @property
    def n_parts(self) -> int:
        """Parts of the state of a layer: 2 of an LSTM, else 1."""
        return 2 if self.config.cell == "lstm" else 1

    def initial_state(self, n_streams: int) -> State:
        """Return the state before the first step, zeros."""
        shape = (1, n_streams, self.config.hidden_size)
        return tuple(self.readout_bias.new_zeros(shape) for _ in range(self.n_parts * len(self.layers)))

    def forward(
        self, tokens: Tensor, state: State | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Compute the outputs of the last layer (T, B, H) and the state after them.

        Args:
            tokens: (T, B) int64; or their vectors (T, B, E), as the probes change them.
            state: None for zeros.
            resets: (B, T) true where a document begins: the state before that step is zero.
        """
        outputs, _, state = self._run(tokens, state, resets)
        return outputs, state

    def features(self, outputs: Tensor) -> Tensor:
        """Compute what the readout multiplies: the outputs (..., H), or their projection (..., E)."""
        return outputs if self.projection is None else self.projection(outputs)

    @property
    def readout(self) -> tuple[Tensor, Tensor]:
        """Weight (V, E or H) and bias (V,) of the readout."""
        weight = self.embedding.weight if self.readout_weight is None else self.readout_weight
        return weight, self.readout_bias

    def loss(self, batch: StreamBatch, state: State | None) -> BatchLoss:
        """Compute the loss of a batch of streams that go on from a state, for training.

        The value is the cross-entropy; the gradient is also that of the penalties.
        """
        outputs, raw, final = self._run(batch.tokens, state, batch.resets)
        targets = batch.targets.flatten()
        n_targets = int((targets >= 0).sum())
        features = self.features(outputs).flatten(0, 1)
        total = chunked_cross_entropy(features, *self.readout, targets, reduction="sum")
        value = total / max(1, n_targets)
        objective, config = value, self.config
        if config.activation_penalty:
            objective = objective + config.activation_penalty * outputs.square().mean()
        if config.slowness_penalty and len(raw) > 1:
            objective = objective + config.slowness_penalty * (raw[1:] - raw[:-1]).square().mean()
        return BatchLoss(value.detach(), n_targets, final, objective.backward)

    def _run(
        self, tokens: Tensor, state: State | None, resets: Tensor | None
    ) -> tuple[Tensor, Tensor, State]:
        """Return the outputs of the last layer after dropout and before it, and the state."""
        config = self.config
        rates = {"is_training": self.training}
        vectors = tokens if tokens.is_floating_point() else self.embedding(tokens)
        values = locked_dropout(vectors, config.embedding_dropout, **rates)
        final: list[Tensor] = []
        raw = values
        for k, layer in enumerate(cast(list[Any], self.layers)):
            hx = None if state is None else self._layer_state(state, k)
            raw, new = run_with_weight_dropout(layer, config.weight_dropout, values, hx, resets=resets)
            final += [new] if isinstance(new, Tensor) else new
            values = locked_dropout(raw, config.dropout, **rates)
        return values, raw, tuple(final)

    def _layer_state(self, state: State, k: int) -> Any:
        parts = state[k * self.n_parts : (k + 1) * self.n_parts]
        return parts[0] if len(parts) == 1 else tuple(parts)

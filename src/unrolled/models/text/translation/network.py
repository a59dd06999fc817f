"""Network of the Translator: an encoder in both directions, attention, and a decoder without a loop.

Shapes: B pairs, S source and T target steps of the longest; V tokens; E numbers of a token's vector; H hidden
units of a decoder layer, H / 2 of each direction of the encoder; K hypotheses a source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.models.recurrent_core import CoreConfig
from unrolled.models.text.translation.dataset import NO_TOKEN, PairBatch
from unrolled.nn.layers.rnn import GRU, LSTM, RNN
from unrolled.nn.modules.attention import Attention, AttentionMemory
from unrolled.nn.modules.chunked_cross_entropy import chunked_cross_entropy
from unrolled.nn.modules.dropout import Dropout
from unrolled.train.loop import BatchLoss

State = tuple[Tensor, ...]  # of one layer, each part (1, B, H)

_LAYERS = {"gru": GRU, "lstm": LSTM, "rnn": RNN}
_SPREAD = 0.1  # of initial vectors


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(CoreConfig):
    """Settings of a TranslationNetwork.

    `hidden_size` is that of a decoder layer; `num_layers` are those of the decoder.

    Args:
        n_tokens: V, the unknown token at 0 and the end of a text as the last.
        embedding_size: E.
        encoder_layers: each in both directions.
        attention: "general" or "dot".
        word_dropout: share of the tokens that are hidden from a training step, on both sides.
    """

    n_tokens: int
    embedding_size: int = 256
    encoder_layers: int = 1
    attention: str = "general"
    word_dropout: float = 0.0

    @property
    def encoder_size(self) -> int:
        """Units of each direction of the encoder."""
        return (self.hidden_size + 1) // 2


class DecoderState(NamedTuple):
    """State of the decoder between two steps: one entry a layer."""

    layers: tuple[State, ...]

    def select(self, rows: Tensor) -> DecoderState:
        """Select hypotheses, in this order."""
        return DecoderState(
            tuple(tuple(part.index_select(1, rows) for part in layer) for layer in self.layers)
        )


class TranslationNetwork(nn.Module):
    """Network from a source and the target so far to the next token, at all steps at once.

        s          = encoder(source)                     (B, S, 2 · H / 2), recurrent in both directions
        h¹_1 .. h¹_T = layer 1 of y_0 .. y_{T-1}, from a state that is tanh of the encoder's last states
        c_t        = attention of h¹_t over s
        h²         = layer 2 of [h¹; c]                  and so on
        r_t        = tanh(W [h^L_t; c_t])                (E,)
        p(y_t)     = softmax(Y r_t + b)                  Y the vectors of the target tokens, tied

    Attention is from the lowest layer, which reads the target alone: so every layer runs over all steps of
    the target in one call, and training has no loop over steps. y_0 is the end of a text.

    Source: the decoder's shape is that of Wu et al., Google's Neural Machine Translation System (2016);
    tying: Press and Wolf, Using the Output Embedding to Improve Language Models (2017).
    """

    def __init__(self, config: TranslationConfig) -> None:
        super().__init__()
        self.config = config
        E, H, width = config.embedding_size, config.hidden_size, 2 * config.encoder_size
        make: Any = _LAYERS[config.cell]
        options = {"nonlinearity": config.activation} if config.cell == "rnn" else {}
        self.source_vectors = nn.Embedding(config.n_tokens, E)
        self.target_vectors = nn.Embedding(config.n_tokens, E)
        for vectors in (self.source_vectors, self.target_vectors):
            nn.init.normal_(vectors.weight, std=_SPREAD)
        between = config.dropout if config.encoder_layers > 1 else 0.0
        self.encoder = make(
            E, config.encoder_size, config.encoder_layers, bidirectional=True, dropout=between, **options
        )
        self.bridge = nn.Linear(width, config.num_layers * H)
        self.attention = Attention(H, width, config.attention)
        sizes = [E, *[H + width] * (config.num_layers - 1)]
        self.decoder = nn.ModuleList([make(size, H, **options) for size in sizes])
        self.readout = nn.Linear(H + width, E)
        self.bias = nn.Parameter(torch.zeros(config.n_tokens))
        self.dropout = Dropout(config.dropout)
        self.float()

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[AttentionMemory, DecoderState]:
        """Read sources (S, B) of these lengths (B,); return what is attended to, and the decoder's start."""
        states, last = self.encoder(self._look_up(self.source_vectors, source), lengths=lengths)
        last = last[0] if isinstance(last, tuple) else last  # an LSTM's h
        ends = self.dropout(torch.cat([last[-2], last[-1]], -1))  # (B, 2 · H / 2)
        starts = torch.tanh(self.bridge(ends)).unsqueeze(0).chunk(self.config.num_layers, -1)
        is_pair = self.config.cell == "lstm"
        layers = tuple(
            (start.contiguous(), torch.zeros_like(start)) if is_pair else (start.contiguous(),)
            for start in starts
        )
        memory = self.attention.memory(self.dropout(states).transpose(0, 1).contiguous(), lengths)
        return memory, DecoderState(layers)

    def decode(
        self, inputs: Tensor, memory: AttentionMemory, state: DecoderState
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """Run the decoder over some steps.

        Args:
            inputs: (T, B * K) tokens, those of one source next to each other.
            memory: of the B sources.
            state: of the B * K hypotheses before these steps.

        Returns:
            What the softmax reads (T, B * K, E), weights of attention (B, T * K, S), and the state after.
        """
        T, rows = inputs.shape
        B = len(memory.keys)
        layers = []
        outputs, after = self._run_layer(0, self._look_up(self.target_vectors, inputs), state)
        layers.append(after)
        outputs = self.dropout(outputs)
        queries = outputs.view(T, B, rows // B, -1).permute(1, 0, 2, 3).flatten(1, 2)  # (B, T * K, H)
        contexts, weights = self.attention(queries, memory)
        contexts = contexts.view(B, T, rows // B, -1).transpose(0, 1).reshape(T, rows, -1)
        for k in range(1, len(self.decoder)):
            outputs, after = self._run_layer(k, torch.cat([outputs, contexts], -1), state)
            layers.append(after)
            outputs = self.dropout(outputs)
        read = torch.tanh(self.readout(torch.cat([outputs, contexts], -1)))
        return self.dropout(read), weights, DecoderState(tuple(layers))

    def forward(self, source: Tensor, lengths: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the softmax reads (T, B, E), and weights of attention (B, T, S)."""
        memory, state = self.encode(source, lengths)
        read, weights, _ = self.decode(inputs, memory, state)
        return read, weights

    def loss(self, batch: PairBatch, label_smoothing: float) -> BatchLoss:
        """Compute the mean cross-entropy of the target tokens of a batch."""
        read, _ = self(batch.source, batch.source_lengths, batch.inputs)
        is_token = batch.targets != NO_TOKEN
        value = chunked_cross_entropy(
            read[is_token], self.target_vectors.weight, self.bias, batch.targets[is_token],
            label_smoothing=label_smoothing if self.training else 0.0,
        )  # fmt: skip
        return BatchLoss(value, n_targets=int(is_token.sum()))

    def log_probabilities(self, read: Tensor) -> Tensor:
        """Return log p (..., V) of the next token."""
        return torch.addmm(
            self.bias, read.flatten(0, -2), self.target_vectors.weight.t()
        ).log_softmax(-1).view(*read.shape[:-1], -1)  # fmt: skip

    def _run_layer(self, k: int, inputs: Tensor, state: DecoderState) -> tuple[Tensor, State]:
        before = state.layers[k]
        outputs, after = self.decoder[k](inputs, before if len(before) > 1 else before[0])
        return outputs, after if isinstance(after, tuple) else (after,)

    def _look_up(self, vectors: nn.Embedding, tokens: Tensor) -> Tensor:
        """Look tokens (T, B) up; in training some are hidden, all zeros, and others lose some numbers."""
        looked_up: Tensor = self.dropout(vectors(tokens))
        rate = self.config.word_dropout
        if self.training and rate:
            looked_up = looked_up * (torch.rand(tokens.shape, device=tokens.device) >= rate)[..., None]
        return looked_up

"""Network of the text estimators: an embedding of tokens in front of a sequence network."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor, nn

from unrolled.models.sequence.network import Criterion, SequenceNetwork, SequenceNetworkConfig
from unrolled.models.text.dataset import TextBatch
from unrolled.models.text.embedding import EmbeddingConfig, TokenEmbedding
from unrolled.models.text.encoder import TokenBatch
from unrolled.train.loop import BatchLoss


@dataclass(frozen=True, kw_only=True)
class TextNetworkConfig(EmbeddingConfig, SequenceNetworkConfig):
    """Settings of a TextNetwork: those of its embedding, and of the sequence network behind it.

    `input_size` is the width of the embedding.
    """

    input_size: int = 0
    output_size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_size", self.width)

    def part(self, kind: type) -> dict[str, object]:
        """Return the settings that a part of the network has, by name."""
        return {field.name: getattr(self, field.name) for field in fields(kind)}


class TextNetwork(nn.Module):
    """Network from tokens to one output a text, or one for each of its tokens.

    Shapes: tokens (B, T), lengths (B,) to (B, K), or (B, T, K) if `per_step`, 0 beyond a length. In place of
    tokens it takes their vectors (B, T, E), as the probes change them.
    """

    def __init__(self, config: TextNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config)
        self.body = SequenceNetwork(SequenceNetworkConfig(**config.part(SequenceNetworkConfig)))  # type: ignore[arg-type]
        self.float()

    def forward(self, tokens: TokenBatch | Tensor, lengths: Tensor) -> Tensor:
        """Compute outputs (B, K), or (B, T, K) if `per_step`, 0 beyond a length."""
        outputs: Tensor = self.body(self._vectors(tokens), lengths)
        return outputs

    def loss(self, batch: TextBatch, criterion: Criterion) -> BatchLoss:
        """Compute the loss of a batch, for training; without autograd where all of it allows that."""
        lengths = batch.sequences.lengths
        if not (self.embedding.has_vjp and self.body.trains_without_autograd(self.embedding.words.weight)):
            outputs = self(batch.tokens, lengths)
            value, d_outputs = criterion(outputs.detach(), batch.sequences)
            return BatchLoss(value, backward=lambda: outputs.backward(d_outputs))
        vectors, embedding_backward = self.embedding.vjp(batch.tokens)
        outputs, body_backward = self.body.vjp(vectors, lengths, needs_d_values=True)
        value, d_outputs = criterion(outputs, batch.sequences)

        def backward() -> None:
            d_vectors = body_backward(d_outputs)
            assert d_vectors is not None, "the way back goes on to the vectors"
            embedding_backward(d_vectors)

        return BatchLoss(value, backward=backward)

    def precise_outputs(self, tokens: TokenBatch | Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs of a trained network with its readout in float64, on the CPU."""
        return self.body.precise_outputs(self._vectors(tokens), lengths)

    def _vectors(self, tokens: TokenBatch | Tensor) -> Tensor:
        if isinstance(tokens, Tensor):
            return tokens
        vectors: Tensor = self.embedding(tokens)
        return vectors

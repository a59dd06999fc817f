"""Network of the text estimators: an embedding of tokens in front of a sequence network."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from unrolled.models.sequence.network import Criterion, SequenceNetwork, SequenceNetworkConfig
from unrolled.models.text.dataset import TextBatch
from unrolled.models.text.embedding import EmbeddingConfig, TokenEmbedding
from unrolled.models.text.encoder import TokenBatch
from unrolled.nn.modules.bigrams import BigramOutputs
from unrolled.nn.modules.tfidf import TfidfOutputs
from unrolled.train.loop import BatchLoss


@dataclass(frozen=True, kw_only=True)
class TextNetworkConfig(EmbeddingConfig, SequenceNetworkConfig):
    """Settings of a TextNetwork: those of its embedding, and of the sequence network behind it.

    `input_size` is the width of the embedding.

    Args:
        n_bigram_buckets: of hashed pairs of words that add to the outputs, see `BigramOutputs`; 0 for none.
        bigram_dropout: share of the pairs that a training step does not see.
        has_regression: whether a logistic regression on TF-IDF of words, pairs in as many buckets and the
            n-grams of the embedding adds to the outputs of a text, see `TfidfOutputs`.
    """

    input_size: int = 0
    output_size: int
    n_bigram_buckets: int = 0
    bigram_dropout: float = 0.0
    has_regression: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_size", self.width)

    def part(self, kind: type) -> dict[str, object]:
        """Return the settings that a part of the network has, by name."""
        return {field.name: getattr(self, field.name) for field in fields(kind)}

    @property
    def readout_words(self) -> str:
        """Describe what the output is computed from."""
        words = super().readout_words
        if self.n_bigram_buckets:
            words += ", pairs of words" if self.has_regression else ", and pairs of words"
        return words + (", and a logistic regression on TF-IDF" if self.has_regression else "")


class TextNetwork(nn.Module):
    """Network from tokens to one output a text, or one for each of its tokens.

    Shapes: tokens (B, T), lengths (B,) to (B, K), or (B, T, K) if `per_step`, 0 beyond a length. In place of
    tokens it takes what `token_vectors` returns for them (B, T, D), as the probes change it.
    """

    def __init__(self, config: TextNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config)
        self.bigrams: BigramOutputs | None = None
        if config.n_bigram_buckets:
            self.bigrams = BigramOutputs(
                config.n_words,
                config.n_bigram_buckets,
                config.output_size,
                dropout=config.bigram_dropout,
                per_step=config.per_step,
                both_sides=config.per_step and config.bidirectional,
            )
        self.tfidf: TfidfOutputs | None = None
        if config.has_regression:
            self.tfidf = TfidfOutputs(
                config.n_words, config.n_bigram_buckets, config.n_buckets, config.output_size
            )
        self.body = SequenceNetwork(SequenceNetworkConfig(**config.part(SequenceNetworkConfig)))  # type: ignore[arg-type]
        self.float()

    def forward(self, tokens: TokenBatch | Tensor, lengths: Tensor) -> Tensor:
        """Compute outputs (B, K), or (B, T, K) if `per_step`, 0 beyond a length."""
        vectors, words, spelling = self._read(tokens)
        outputs: Tensor = self.body(vectors, lengths)
        if self.bigrams is not None:
            outputs = outputs + self.bigrams(words, lengths)
        if self.tfidf is not None and not self.training:  # it is fitted apart, and scales what was trained
            outputs = self.tfidf(outputs, words, spelling, lengths)
        return outputs

    def loss(self, batch: TextBatch, criterion: Criterion) -> BatchLoss:
        """Compute the loss of a batch, for training; without autograd where all of it allows that."""
        lengths = batch.sequences.lengths
        if not self._has_vjp():
            outputs = self(batch.tokens, lengths)
            value, d_outputs = criterion(outputs.detach(), batch.sequences)
            return BatchLoss(value, backward=lambda: outputs.backward(d_outputs))
        vectors, embedding_backward = self.embedding.vjp(batch.tokens)
        outputs, body_backward = self.body.vjp(vectors, lengths, needs_d_values=True)
        bigrams_backward = None
        if self.bigrams is not None:
            of_bigrams, bigrams_backward = self.bigrams.vjp(_words(batch.tokens), lengths)
            outputs = outputs + of_bigrams
        value, d_outputs = criterion(outputs, batch.sequences)

        def backward() -> None:
            d_vectors = body_backward(d_outputs)
            assert d_vectors is not None, "the way back goes on to the vectors"
            embedding_backward(d_vectors)
            if bigrams_backward is not None:
                bigrams_backward(d_outputs)

        return BatchLoss(value, backward=backward)

    def precise_outputs(self, tokens: TokenBatch | Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs of a trained network with its readout in float64, on the CPU."""
        vectors, words, spelling = self._read(tokens)
        outputs = self.body.precise_outputs(vectors, lengths)
        if self.bigrams is not None:
            outputs = outputs + self.bigrams.precise(words, lengths).cpu()
        if self.tfidf is not None:
            outputs = self.tfidf(outputs.to(words.device), words, spelling, lengths).cpu()
        return outputs

    def token_vectors(self, tokens: TokenBatch) -> Tensor:
        """Look up all that the network reads of tokens (B, T): (B, T, D).

        D is the width of the embedding. With bigrams two parts follow: what a regression says of the word's
        spelling, if there is one, and the position in the vocabulary, as a pair is of words side by side.
        """
        vectors: Tensor = self.embedding(tokens)
        if self.bigrams is None:
            return vectors
        return torch.cat([vectors, self._spelling(tokens), _words(tokens)[..., None].to(vectors)], -1)

    def _read(self, tokens: TokenBatch | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return vectors (B, T, E), positions in the vocabulary (B, T), and `_spelling`."""
        if isinstance(tokens, TokenBatch):
            return self.embedding(tokens), _words(tokens), self._spelling(tokens)
        vectors, rest = tokens[..., : self.config.width], tokens[..., self.config.width :].detach()
        return vectors, tokens[..., -1].detach().long(), rest[..., :-1]

    def _spelling(self, tokens: TokenBatch) -> Tensor:
        """Look up what the regression says of the spelling of words (B, T, K + 1); (B, T, 0) where unused."""
        if self.tfidf is None or self.training:
            return torch.empty(*tokens.places.shape, 0, device=tokens.places.device)
        return self.tfidf.spelling(tokens.ngrams, tokens.ngram_offsets)[tokens.places]

    def _has_vjp(self) -> bool:
        return (
            self.embedding.has_vjp
            and (self.tfidf is None or self.training)
            and (self.bigrams is None or self.bigrams.has_vjp)
            and self.body.trains_without_autograd(self.embedding.words.weight)
        )


def _words(tokens: TokenBatch) -> Tensor:
    """Return the positions in the vocabulary (B, T)."""
    return tokens.words[tokens.places]

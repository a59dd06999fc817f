"""LanguageModel: the probability of text, learned from text; generation, completion, live streams."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.text.documents import as_running_texts
from unrolled.data.text.language.codec import LanguageCodec
from unrolled.data.text.tokenizer import Unit
from unrolled.formatting import quantity
from unrolled.models.parameters import (
    Boolean,
    Choice,
    FloatRange,
    IntRange,
    RandomSource,
)
from unrolled.models.persistence import PLAIN, record_field
from unrolled.models.summary import Fact, network_fact
from unrolled.models.text.base import UnitChoice
from unrolled.models.text.language.evaluation import (
    DocumentCost,
    LanguageScore,
    document_costs,
    language_score,
)
from unrolled.models.text.language.network import LanguageNetwork, LanguageNetworkConfig
from unrolled.models.text.language.training import (
    fit_language_network,
    hold_out,
    language_training_config,
    stopping_words,
    token_stream,
)
from unrolled.models.text.language.writer import TextWriter
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import optional_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SIZES = ((50_000, 128), (300_000, 256))  # tokens below which a network has so many units
_HIDDEN_SIZE = 384
_CHARACTER_SIZE = 64  # of embeddings


class LanguageModel(TextWriter):
    """Learn the probability of text, character by character, word by word or in subwords.

    A recurrent network reads a text and predicts each next token. Training reads parallel streams of the
    text, the state carried from one window to the next; a document begins from a state of zeros. A piece of
    text that the vocabulary lacks is "unknown" and its characters are spelled, so that every text has a
    probability, and a cost in bits a character that can be compared whatever the unit.

    Args:
        unit: tokens: "char"; "word", each with the one space before it, and white space by itself; or a
            number of subwords (extra `unrolled[text]`).
        cell: "lstm", "gru" or "rnn".
        hidden_size: units of a layer; None for 384, of fewer than 300,000 tokens 256, than 50,000 128.
        num_layers: recurrent layers, one on the other.
        embedding_size: numbers of a token's vector; None for 64 of characters, else for `hidden_size`.
        tied_weights: whether the readout has the weights of the embedding; None for words and subwords, not
            for characters.
        min_count: occurrences that a token needs to be in the vocabulary; None for 2: what occurs once
            teaches the network when to expect an unknown one.
        vocabulary_size: tokens of the vocabulary at most, the most frequent; None for all.
        dropout: of the outputs of each layer, from 0 to below 1, the same at all steps of a window.
        embedding_dropout: of the numbers of the embeddings, likewise.
        weight_dropout: of the recurrent weights, drawn once a batch.
        activation_penalty: of the mean square of the last outputs (AR).
        slowness_penalty: of the mean square of their change from step to step (TAR).
        window: usual steps of backpropagation, of short texts fewer; each window of a training is about 0.6
            to 1.4 times as long.
        batch_size: streams that are read in parallel; None for 16, of short texts fewer.
        max_epochs: passes over the text at most; None for 5, or as many as make 600 steps, 80 at most.
        patience: epochs without a lower validation loss before the training stops early; None for three
            tenths of all, at least 3.
        learning_rate: the peak of its one cycle.
        validation_fraction: part that is held out to choose the epoch by: the end of a running text, or
            documents drawn at random. None for a twentieth, of short texts up to a fifth, of 300,000
            characters or more none; 0 for none.
        random_state: seed of weights, windows, dropout and of what is held out.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds.

    After `fit`: `tokens_`, `codec_` (its `vocabulary`), `has_ends_`, `n_epochs_`, `stopping_reason_`,
    `history_`, `networks_` (one), `network_config_`, `n_parameters_`, `seconds_`.

    Weights are an exponential running mean over about the last twentieth of the steps.

    >>> model = LanguageModel(hidden_size=16).fit("to be or not to be, " * 50)
    >>> len(model.generate("to be", 8, random_state=0))
    8
    >>> model.evaluate("not to be or to be").bits_per_character < 2
    True
    """

    _fit_call = "fit(text)"
    _network_class, _config_class = LanguageNetwork, LanguageNetworkConfig
    _learned: ClassVar = {
        "codec_": record_field(LanguageCodec),
        "has_ends_": PLAIN,
        "n_epochs_": PLAIN,
        "n_training_tokens_": PLAIN,
        "seed_": PLAIN,
        "stopping_reason_": PLAIN,
    }

    unit: Annotated[Unit, UnitChoice()]
    cell: Annotated[str, Choice(("lstm", "gru", "rnn"))]
    hidden_size: Annotated[int | None, IntRange(least=1, most=16_384)]
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    embedding_size: Annotated[int | None, IntRange(least=1, most=16_384)]
    tied_weights: Annotated[bool | None, Boolean()]
    min_count: Annotated[int | None, IntRange(least=1)]
    vocabulary_size: Annotated[int | None, IntRange(least=1)]
    embedding_dropout: Annotated[float, FloatRange(least=0, below=1)]
    weight_dropout: Annotated[float, FloatRange(least=0, below=1)]
    activation_penalty: Annotated[float, FloatRange(least=0)]
    slowness_penalty: Annotated[float, FloatRange(least=0)]
    window: Annotated[int, IntRange(least=4)]
    batch_size: Annotated[int | None, IntRange(least=1)]
    max_epochs: Annotated[int | None, IntRange(least=1)]
    validation_fraction: Annotated[float | None, FloatRange(least=0, most=0.5)]

    n_epochs_: int
    n_training_tokens_: int
    seed_: int
    stopping_reason_: str

    def __init__(
        self,
        *,
        unit: Unit = "char",
        cell: str = "lstm",
        hidden_size: int | None = None,
        num_layers: int = 1,
        embedding_size: int | None = None,
        tied_weights: bool | None = None,
        min_count: int | None = None,
        vocabulary_size: int | None = None,
        dropout: float = 0.2,
        embedding_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        activation_penalty: float = 0.0,
        slowness_penalty: float = 0.0,
        window: int = 64,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        learning_rate: float = 5e-3,
        validation_fraction: float | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    @shared_processors()
    @torch.inference_mode(mode=False)  # whoever calls, what is made here has gradients
    def fit(
        self,
        X: Any,
        y: None = None,  # noqa: ARG002 (scikit-learn's contract)
        *,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from a text.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            X: one running text, a string; or N documents: a list, array or column of strings, or what
                `unrolled.read_texts` returned. Each document is read from a state of zeros, and its end is
                learned.
            y: None; there is nothing beside the text.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict, as in SequenceClassifier.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line.
            DataError: X cannot be used as it is, or has fewer subwords than `unit`.
            MissingDependencyError: `unit` is a number, and tokenizers is not installed.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        start_s, seed = time.perf_counter(), self._draw_seed()
        texts, are_documents = as_running_texts(X, who="LanguageModel X")
        fraction = None if self.validation_fraction is None else float(self.validation_fraction)
        training, held_out = hold_out(texts, fraction, seed, are_documents=are_documents)
        codec = LanguageCodec.learn(
            training, self.unit, min_count=self.min_count, max_size=self.vocabulary_size
        )
        tokens = token_stream(training, codec, has_ends=are_documents)
        validation = token_stream(held_out, codec, has_ends=are_documents) if held_out else None
        config, n_streams, window = language_training_config(
            len(tokens) - 1,
            window=int(self.window),
            batch_size=optional_int(self.batch_size),
            max_epochs=optional_int(self.max_epochs),
            patience=optional_int(self.patience),
            learning_rate=self.learning_rate,
            seed=seed,
        )
        with self._name_remedies():
            ensemble = fit_language_network(
                tokens, validation, self._make_config(codec, len(tokens) - 1), config,
                n_streams=n_streams, window=window, device=self.device, monitor=monitor,
            )  # fmt: skip
        report_interruption(ensemble)
        learned = {
            "codec_": codec,
            "has_ends_": are_documents,
            "history_": ensemble.history,
            "n_epochs_": ensemble.history.count,
            "n_training_tokens_": len(tokens) - 1,
            "seed_": seed,
            "stopping_reason_": stopping_words(
                ensemble.history, 0 if validation is None else len(validation)
            ),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    def _make_config(self, codec: LanguageCodec, n_tokens: int) -> LanguageNetworkConfig:
        by_rule = next((size for most, size in _SIZES if n_tokens < most), _HIDDEN_SIZE)
        hidden_size = by_rule if self.hidden_size is None else int(self.hidden_size)
        usual = _CHARACTER_SIZE if self.unit == "char" else hidden_size
        tied_weights = self.unit != "char" if self.tied_weights is None else bool(self.tied_weights)
        return LanguageNetworkConfig(
            n_tokens=len(codec),
            embedding_size=usual if self.embedding_size is None else int(self.embedding_size),
            tied_weights=tied_weights,
            cell=self.cell,
            hidden_size=hidden_size,
            num_layers=int(self.num_layers),
            dropout=float(self.dropout),
            embedding_dropout=float(self.embedding_dropout),
            weight_dropout=float(self.weight_dropout),
            activation_penalty=float(self.activation_penalty),
            slowness_penalty=float(self.slowness_penalty),
        )

    def score(self, X: Any, y: None = None) -> float:  # noqa: ARG002 (scikit-learn's contract)
        """Compute the mean log-likelihood of a character, in nats: higher is better, 0 the most.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        return -self.evaluate(X).nats_per_character

    def evaluate(self, X: Any) -> LanguageScore:
        """Compute what a text costs, in nats and bits a character: a running text in one pass, or documents.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        return language_score(self.costs(X))

    def costs(self, X: Any) -> list[DocumentCost]:
        """Compute the cost of every token of each document; of a running text as one document.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        self._require_fitted()
        texts, _ = as_running_texts(X, who="LanguageModel X")
        return document_costs(self.networks_[0], self.codec_, texts, has_ends=self.has_ends_)

    def _facts(self) -> tuple[Fact, ...]:
        config, unit = self.network_config_, self.codec_.tokenizer.unit
        what = {"word": "word", "char": "character"}.get(str(unit), "subword")
        tokens = quantity(len(self.codec_) - 2, what)
        source = "documents, each from a state of zeros" if self.has_ends_ else "a running text"
        return (
            network_fact(config),
            Fact("Vocabulary", f"{tokens} of the training text; others are unknown and spelled"),
            Fact("Learned from", f"{quantity(self.n_training_tokens_, 'token')} of {source}"),
            Fact("Epochs", self.stopping_reason_),
        )

    def _card_footer(self) -> str:
        return (
            "Load it with `unrolled.LanguageModel.load(folder)`; nothing in this folder is code. Its\n"
            "vocabulary is in it, and a network may have learned passages of its text by heart.\n\n"
            "This card holds no score: bits a character mean something only beside simpler models, on text\n"
            "that the model is meant for. Run `unrolled.compare(model, text)`."
        )

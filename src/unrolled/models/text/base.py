"""Base of the text estimators: parameters, one way to fit, outputs in batches of like length."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.sequences import Sequences
from unrolled.data.splits import holdout_mask
from unrolled.data.text.documents import Documents, as_documents, as_texts
from unrolled.data.text.tokenizer import MIN_SUBWORDS, UNITS, Tokenizer, Unit
from unrolled.data.text.vectors import WordVectors, read_vectors
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quantity
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.metadata import MetadataRequester
from unrolled.models.parameters import Boolean, Choice, Constraint, FloatRange, IntRange, UnusedBeside
from unrolled.models.persistence import ARRAY, PLAIN, record_field
from unrolled.models.sequence.labels import ClassWeight
from unrolled.models.sequence.samples import TrainingSamples, collect_samples
from unrolled.models.sequence.training import EncodedTargets, stopping_facts
from unrolled.models.summary import Fact, network_fact, sequence_card_footer
from unrolled.models.text.dataset import TextDataset
from unrolled.models.text.encoder import TokenEncoder
from unrolled.models.text.fine_tuning import FineTuning
from unrolled.models.text.network import TextNetwork, TextNetworkConfig
from unrolled.models.text.regression import is_regression_small
from unrolled.models.text.stream import TextStates
from unrolled.models.text.training import fit_text_networks, text_outputs, text_training_config
from unrolled.nn.modules.pooling import POOLINGS, sequence_mask
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import Ensemble, report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import check_int, optional_int, suggest_spelling

Ints = NDArray[np.int64]
Labels = NDArray[Any]

_UNIT, _POOLING = "word", "last+mean+max"
_BIGRAM_BUCKETS, _BIGRAM_DROPOUT = 65_536, 0.5
_BIGRAM_WEIGHTS = 2**20  # of all buckets and classes together, 4 MB


@dataclass(frozen=True)
class UnitChoice(Constraint):
    """Choice of the unit of texts: a word of `UNITS`, or a number of subwords."""

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is a unit."""
        if isinstance(value, str):
            if value not in UNITS:
                raise ArgumentError(
                    f"{name}: expected 'word', 'char' or a number of subwords, got {value!r}."
                    f"{suggest_spelling(value, UNITS)}"
                )
            return
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise ArgumentError(
                f"{name}: expected 'word', 'char' or a number of subwords, a whole one, got {value!r}."
            )
        check_int(name, value, least=MIN_SUBWORDS)


class TextEstimator(MetadataRequester, NetworkEstimator):
    """Base of TextClassifier and TextTagger.

    A subclass validates y (`_check_targets`), encodes it (`_encode_targets`), and makes predictions of what
    the networks put out.
    """

    _fit_call = "fit(texts, y)"
    _per_step = False
    _network_class, _config_class = TextNetwork, TextNetworkConfig
    _stream_states = TextStates
    _least_epochs: ClassVar[int] = 3  # where max_epochs is None
    _ngram_mode: ClassVar[str] = "mean"
    _ngram_lengths: ClassVar[tuple[int, int]] = (3, 5)  # characters, the marks of the ends counted
    _ngram_affixes: ClassVar[bool] = False  # at the ends of words alone
    _usual_min_count: ClassVar[int] = 1  # occurrences of a word with a vector of its own, beside n-grams
    _unknown_dropout: ClassVar[float] = 0.1  # of words that a training step reads by their n-grams alone
    _learned: ClassVar = {
        "classes_": ARRAY,
        "token_encoder_": record_field(TokenEncoder),
        "n_epochs_": PLAIN,
        "seed_": PLAIN,
        "stopping_reason_": PLAIN,
        "tokenizer_": record_field(Tokenizer),
    }
    _unused: ClassVar[tuple[UnusedBeside, ...]] = (
        UnusedBeside(("vectors",), "unit", ("char",), "has no words, which the vectors are of"),
        UnusedBeside(("patience",), "validation_fraction", (0, None), "holds nothing out"),
    )

    unit: Annotated[Unit | None, UnitChoice()]
    cell: Annotated[str, Choice(("gru", "lstm", "rnn"))]
    hidden_size: Annotated[int, IntRange(least=1, most=16_384)]
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    bidirectional: Annotated[bool | None, Boolean()]
    embedding_size: Annotated[int, IntRange(least=1, most=16_384)]
    n_buckets: Annotated[int, IntRange(least=0, most=1 << 24)]
    vectors: str | Path | None
    min_count: Annotated[int | None, IntRange(least=1)]
    pooling: Annotated[str | None, Choice(POOLINGS, separator="+")]
    embedding_dropout: Annotated[float, FloatRange(least=0, below=1)]
    word_dropout: Annotated[float, FloatRange(least=0, below=1)]
    label_smoothing: Annotated[float, FloatRange(least=0, below=1)]
    n_members: Annotated[int, IntRange(least=1)]
    max_epochs: Annotated[int | None, IntRange(least=1)]
    batch_size: Annotated[int, IntRange(least=1)]
    validation_fraction: Annotated[float | None, FloatRange(least=0, most=0.5)]

    class_weight: ClassWeight
    classes_: Labels
    token_encoder_: TokenEncoder
    n_epochs_: int
    seed_: int
    stopping_reason_: str
    tokenizer_: Tokenizer

    @shared_processors()
    @torch.inference_mode(mode=False)  # whoever calls, what is made here has gradients
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from texts and their targets.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            X: N texts: a list, array, column or frame of one column of strings, or N lists of words.
            y: N targets, one a text; for a tagger N lists of tags, one a word.
            sample_weight: N weights, at least 0: one of k counts as k copies of the text would.
            groups: N names; texts of one group (an author, a document) are held out together.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict, as in SequenceClassifier.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line.
            DataError: X, y, groups or weights cannot be used as they are.
            MissingDependencyError: `unit` is a number, and tokenizers is not installed.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        start_s, seed = time.perf_counter(), self._draw_seed()
        tokenizer, documents, y = self._read_training(X, y)
        samples = collect_samples(
            documents.sequences, self._check_targets(y, documents), sample_weight, groups
        )
        targets = self._encode_targets(samples)
        fraction = self.validation_fraction or 0.0
        validation_mask = holdout_mask(
            len(samples.data), fraction, seed, strata=targets.strata, groups=samples.groups
        )
        encoder, vectors = self._learn_encoder(samples.data, validation_mask)
        ensemble = self._fit_ensemble(samples, encoder, vectors, targets, validation_mask, seed, monitor)
        learned = targets.learned | {
            "token_encoder_": encoder,
            "history_": ensemble.history,
            "seed_": seed,
            "tokenizer_": tokenizer,
            **stopping_facts("gradient", ensemble.history, validation_mask, fraction),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    def _read_training(self, X: Any, y: Any) -> tuple[Tokenizer, Documents, Any]:
        """Learn the tokenizer, and cut the texts into tokens; y as it is aligned with them."""
        who = f"{type(self).__name__} X"
        texts = as_texts(X, who=who)
        tokenizer = self._learn_tokenizer([text for text in texts if isinstance(text, str)])
        return tokenizer, as_documents(texts, tokenizer, who=who), y

    def _learn_tokenizer(self, texts: list[str]) -> Tokenizer:
        return Tokenizer.learn(self.unit or _UNIT, texts)

    def _fine_tuning(self) -> FineTuning | None:
        """Return the language model that is fine-tuned, and how; None where there is none."""
        return None

    def _learn_encoder(
        self, data: Sequences, validation_mask: NDArray[np.bool_]
    ) -> tuple[TokenEncoder, WordVectors | None]:
        """Learn the vocabulary on the texts that are not held out, and read the vectors of its words."""
        is_word = (self.unit or _UNIT) == "word"
        if self.vectors is not None and not is_word:
            raise ArgumentError(f"vectors: expected unit='word' beside them, got unit={self.unit!r}.")
        training = data.select(np.flatnonzero(~validation_mask)) if validation_mask.any() else data
        by_rule = self._usual_min_count if is_word and self.n_buckets else 1
        vocabulary = Vocabulary.learn(
            training,
            min_count=min(by_rule, _most_frequent(training)) if self.min_count is None else self.min_count,
            lowercase=is_word,
        )
        vectors = None
        if self.vectors is not None:
            words = {form for token in data.tokens or () for form in (token, token.lower())}
            vectors = read_vectors(self.vectors, needed=words)
            if words.isdisjoint(vectors.words):
                raise DataError(
                    f"{Path(self.vectors).name}: expected vectors of words that the texts have, got none of "
                    f"theirs; its first is {vectors.words[0]!r}. Give a file of the language of the texts."
                )
        encoder = TokenEncoder(
            vocabulary,
            n_buckets=int(self.n_buckets) if is_word else 0,
            shortest=self._ngram_lengths[0],
            longest=self._ngram_lengths[1],
            affixes=self._ngram_affixes,
            vector_words=() if vectors is None else vectors.words,
        )
        return encoder, vectors

    def _fit_ensemble(
        self,
        samples: TrainingSamples,
        encoder: TokenEncoder,
        vectors: WordVectors | None,
        targets: EncodedTargets,
        validation_mask: NDArray[np.bool_],
        seed: int,
        monitor: Monitor,
    ) -> Ensemble[TextNetwork]:
        weights = None if samples.weights is None else torch.from_numpy(samples.weights)
        dataset = TextDataset.from_sequences(
            samples.data, encoder, targets.values,
            weights=weights, per_step=self._per_step, device=self.device,
        )  # fmt: skip
        config = text_training_config(
            int((~validation_mask).sum()),
            max_epochs=optional_int(self.max_epochs),
            least_epochs=self._least_epochs,
            batch_size=int(self.batch_size or 1),
            patience=optional_int(self.patience),
            learning_rate=self.learning_rate,
            seed=seed,
        )
        network_config = self._make_config(encoder, vectors, targets.output_size)
        if network_config.n_bigram_buckets and not self._per_step:
            is_small = is_regression_small(dataset, network_config)
            network_config = replace(network_config, has_regression=is_small)
        with self._name_remedies():
            ensemble = fit_text_networks(
                dataset, targets, network_config, config,
                vectors=vectors, fine_tuning=self._fine_tuning(), validation_mask=validation_mask,
                n_members=int(self.n_members), device=self.device, monitor=monitor,
            )  # fmt: skip
        report_interruption(ensemble)
        return ensemble

    def _make_config(
        self, encoder: TokenEncoder, vectors: WordVectors | None, output_size: int
    ) -> TextNetworkConfig:
        is_bidirectional = self.bidirectional is None or bool(self.bidirectional)
        weights_a_pair = output_size * (2 if self._per_step and is_bidirectional else 1)
        n_pairs = min(_BIGRAM_BUCKETS, _BIGRAM_WEIGHTS // weights_a_pair) if encoder.n_buckets else 0
        return TextNetworkConfig(
            n_words=len(encoder.vocabulary),
            n_buckets=encoder.n_buckets,
            ngram_mode=self._ngram_mode,
            embedding_size=int(self.embedding_size),
            n_vectors=0 if vectors is None else len(vectors.words) + 1,
            vector_size=0 if vectors is None else vectors.vectors.shape[1],
            word_dropout=float(self.word_dropout),
            unknown_dropout=self._unknown_dropout if encoder.n_buckets else 0.0,
            embedding_dropout=float(self.embedding_dropout),
            output_size=output_size,
            cell=self.cell,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            dropout=float(self.dropout),
            bidirectional=is_bidirectional,
            pooling=getattr(self, "pooling", None) or _POOLING,
            per_step=self._per_step,
            n_bigram_buckets=n_pairs,
            bigram_dropout=_BIGRAM_DROPOUT,
        )

    @property
    def cell_name(self) -> str:
        """Name of the recurrent cell that reads the texts, before `fit` too."""
        return self.cell

    def token_vectors(self, X: Any) -> tuple[list[Tensor], Tensor]:
        """Look up the vectors (N, T, D) of each network for some texts, zero beyond a length; lengths (N,).

        They are what the networks read: the probes permute them and take gradients by them.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        data = self._like_fitted(X).sequences
        batch = self._dataset(data).batch(torch.arange(len(data)))
        with torch.no_grad():
            vectors = [network.token_vectors(batch.tokens) for network in self.networks_]
        lengths = batch.sequences.lengths
        is_valid = sequence_mask(lengths, vectors[0])[..., None]  # padding may have the vector of the unknown
        return [each * is_valid for each in vectors], lengths

    def token_texts(self, X: Any) -> list[NDArray[Any]]:
        """Return the tokens (T_i,) of each text, as a copy of the model can be fitted on.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        documents = self._like_fitted(X)
        return [np.array(documents.words(i), dtype=object) for i in range(len(documents.texts))]

    def vector_outputs(self, network: TextNetwork, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs (N, K), or (N, T, K), of a network from vectors (N, T, D)."""
        outputs: Tensor = network(vectors, lengths)
        return outputs

    def output_classes(self) -> Labels:
        """Return `classes_`, whose logits the networks put out."""
        self._require_fitted()
        return self.classes_

    def _check_targets(self, y: Any, documents: Documents) -> Labels:
        """Validate y: (N,), or (ΣT,) with one a token, in the order of the texts."""
        raise NotImplementedError

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        raise NotImplementedError

    def _like_fitted(self, X: Any) -> Documents:
        """Cut texts into tokens as those fitted on were."""
        self._require_fitted()
        return as_documents(X, self.tokenizer_, who=f"{type(self).__name__} X")

    def _dataset(self, data: Sequences) -> TextDataset:
        return TextDataset.from_sequences(
            data, self.token_encoder_, per_step=self._per_step, device=self.device
        )

    def _outputs(self, data: Sequences) -> Iterator[tuple[Ints, Tensor, Ints]]:
        """Yield rows (B,), the outputs of each network for them (M, B, ...), and their lengths (B,)."""
        dataset = self._dataset(data)
        for batch_rows in dataset.length_batches():
            rows = batch_rows.cpu().numpy()
            yield rows, text_outputs(self.networks_, dataset, batch_rows), data.lengths[rows]

    def __sklearn_tags__(self) -> Any:
        """Describe a classifier of texts, whose y is required."""
        from sklearn.utils import ClassifierTags  # noqa: PLC0415

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.target_tags.required = True
        return tags

    def _facts(self) -> tuple[Fact, ...]:
        config, encoder = self.network_config_, self.token_encoder_
        units = {"word": "word", "char": "character"}.get(str(self.tokenizer_.unit), "subword")
        reads = f"{quantity(len(encoder.vocabulary.tokens), units)} of {self._vocabulary_source()}"
        if encoder.n_buckets:
            reads += f", others by their character n-grams in {encoder.n_buckets:,} buckets"
        if encoder.vector_words:
            reads += f", beside vectors of {quantity(len(encoder.vector_words), 'word')}"
        tfidf = self.networks_[0].tfidf
        terms = "" if tfidf is None else f" of {quantity(tfidf.n_features, 'term')}"
        return (
            network_fact(config, bidirectional=config.bidirectional),
            Fact("Reads", reads),
            Fact("Answers from", config.readout_words + terms),
            Fact("Epochs", self.stopping_reason_),
        )

    def _vocabulary_source(self) -> str:
        return "the training text"

    def _card_footer(self) -> str:
        return sequence_card_footer(type(self).__name__)


def _most_frequent(data: Sequences) -> int:
    """Count the occurrences of the most frequent token."""
    return int(np.bincount(data.values).max())

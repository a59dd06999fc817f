"""TextTagger: a tag for every word, and spans of words with their places in the raw text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.targets import as_objects, as_step_labels
from unrolled.data.sequences import Sequences
from unrolled.data.text.documents import Documents
from unrolled.data.text.spans import (
    Span,
    SpanScores,
    allowed_transitions,
    check_tags,
    span_scores,
    spans_of_tags,
    tags_of_spans,
)
from unrolled.errors import ArgumentError, DataError
from unrolled.models.parameters import Choice, RandomSource
from unrolled.models.sequence.labels import (
    ClassWeight,
    Labels,
    encode_step_classes,
    require_like_classes,
)
from unrolled.models.sequence.samples import TrainingSamples, check_weights
from unrolled.models.sequence.training import EncodedTargets
from unrolled.models.text.base import TextEstimator
from unrolled.models.text.decoding import likeliest_path
from unrolled.nn.modules.inference import mean_answers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WHO = "TextTagger y"


class TextSpan(NamedTuple):
    """Span of a raw text: its characters `start` to `end`, its label and the mean probability of its tags."""

    start: int
    end: int
    label: str
    probability: float


class TextTagger(TextEstimator):
    """Predict a tag for each word of a sentence: parts of speech, or spans such as names.

    Arguments and fitted attributes are those of TextClassifier, without `unit` and `pooling`: every word has
    a prediction of its own, to which the pairs with the words beside it add directly. X is N lists of words,
    or N raw texts, whose words are found here. A word whose tag is None has no label: it is read, and left
    out of the loss and of the score.

    Args:
        scheme: "iob2" for tags B-X, I-X and O that mark spans: they are checked, only sequences that the
            scheme allows are predicted, and y may hold lists of (start, end, label) in characters of a raw
            text in place of tags. None for tags without a scheme.
        min_count: times that a word must occur to have a vector of its own; None for 2, or 1 without n-grams.
        max_epochs: passes over the sentences at most; None for 6, or as many as make 400 steps, but no more
            than 50.
        n_buckets: of hashed prefixes and suffixes of up to 5 letters, and shapes; 0 for words alone, without
            pairs too.

    >>> sentences = [["Ann", "met", "Bob"], ["Bob", "ran"], ["dogs", "met", "Ann"]] * 4
    >>> tags = [["name", "verb", "name"], ["name", "verb"], ["noun", "verb", "name"]] * 4
    >>> model = TextTagger(hidden_size=8, n_members=1).fit(sentences, tags)
    >>> [each.tolist() for each in model.predict(["Bob met dogs"])]
    [['name', 'verb', 'noun']]
    """

    _per_step = True
    _least_epochs = 6
    _ngram_mode, _ngram_lengths, _ngram_affixes = "sum", (2, 6), True
    _usual_min_count, _unknown_dropout = 2, 0.3
    _learned: ClassVar = {}

    scheme: Annotated[str | None, Choice(("iob2",))]
    unit = "word"

    def __init__(
        self,
        *,
        scheme: str | None = None,
        cell: str = "gru",
        hidden_size: int = 160,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int = 100,
        n_buckets: int = 16_384,
        vectors: str | Path | None = None,
        min_count: int | None = None,
        dropout: float = 0.4,
        embedding_dropout: float = 0.3,
        word_dropout: float = 0.05,
        label_smoothing: float = 0.1,
        class_weight: ClassWeight = None,
        n_members: int = 3,
        max_epochs: int | None = None,
        patience: int | None = None,
        batch_size: int = 48,
        learning_rate: float = 4e-3,
        validation_fraction: float | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    def __sklearn_tags__(self) -> Any:
        """Describe an estimator of neither kind: folds by class need one label a sequence."""
        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = None, None
        return tags

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the tag of each word: N arrays (T_i,), in an array of objects.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        paths = self._paths(self._probabilities(self._like_fitted(X).sequences))
        return as_objects([self.classes_[path] for path in paths])

    def predict_proba(self, X: Any) -> list[Floats]:
        """Predict the probability of each tag at each word: N arrays (T_i, K), in the order of `classes_`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        return self._probabilities(self._like_fitted(X).sequences)

    def predict_spans(self, X: Any) -> list[list[TextSpan]]:
        """Predict spans of each raw text, of lists of words as if they were joined by spaces.

        With a scheme the spans that its tags mark; without one a span a word. The characters `start` to `end`
        of the text are the span's.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        documents = self._like_fitted(X)
        offsets = documents.sequences.offsets
        all_probabilities = self._probabilities(documents.sequences)
        spans = []
        for i, path in enumerate(self._paths(all_probabilities)):
            places = documents.spans[offsets[i] : offsets[i + 1]]
            certainty = all_probabilities[i][np.arange(len(path)), path]
            spans.append(
                [
                    TextSpan(
                        int(places[start, 0]),
                        int(places[end - 1, 1]),
                        label,
                        float(certainty[start:end].mean()),
                    )
                    for start, end, label in self._word_spans(self.classes_[path].tolist())
                ]
            )
        return spans

    def score(self, X: Any, y: Any, *, sample_weight: Any = None) -> float:
        """Compute the accuracy: the share of words with a tag whose tag is predicted.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is, or its tags are of another type than in training.
        """
        documents = self._like_fitted(X)
        labels, is_labelled = as_step_labels(self._check_targets(y, documents), who=_WHO)
        require_like_classes(labels, self.classes_, _WHO)
        weights = check_weights(sample_weight, documents.sequences)
        weights = None if weights is None else np.repeat(weights, documents.sequences.lengths)[is_labelled]
        paths = np.concatenate(self._paths(self._probabilities(documents.sequences)))
        return float(np.average(self.classes_[paths][is_labelled] == labels, weights=weights))

    def score_spans(self, X: Any, y: Any) -> SpanScores:
        """Compute precision, recall and F1 of whole spans, each right in start, end and label.

        Raises:
            ArgumentError: the model has no scheme.
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is.
        """
        if self.scheme is None:
            raise ArgumentError("scheme: expected 'iob2', to score spans, got None. Use score(X, y).")
        documents = self._like_fitted(X)
        targets = np.split(self._check_targets(y, documents), documents.sequences.offsets[1:-1])
        paths = self._paths(self._probabilities(documents.sequences))
        return span_scores(
            [spans_of_tags(tags.tolist()) for tags in targets],
            [spans_of_tags(self.classes_[path].tolist()) for path in paths],
        )

    def _word_spans(self, tags: list[Any]) -> list[Span]:
        if self.scheme is None:
            return [Span(k, k + 1, tag) for k, tag in enumerate(tags)]
        return spans_of_tags(tags)

    def _probabilities(self, data: Sequences) -> list[Floats]:
        probabilities = [np.empty((0, 0))] * len(data)
        for rows, outputs, lengths in self._outputs(data):
            means = mean_answers(outputs, is_class=True)  # (B, T, K)
            for row, mean, steps in zip(rows, means, lengths, strict=True):
                probabilities[row] = mean[:steps].copy()  # a view would keep the padding alive
        return probabilities

    def _paths(self, probabilities: Sequence[Floats]) -> list[Ints]:
        """Return the tags of each sentence as positions among the classes."""
        if self.scheme is None:
            return [p.argmax(1) for p in probabilities]
        first, follow = allowed_transitions(self.classes_.tolist())
        return [likeliest_path(p, first, follow) for p in probabilities]

    def _check_targets(self, y: Any, documents: Documents) -> Labels:
        lengths = documents.sequences.lengths
        if not hasattr(y, "__len__") or isinstance(y, str) or len(y) != len(lengths):
            got = len(y) if hasattr(y, "__len__") else repr(y)
            raise DataError(f"{_WHO}: expected {len(lengths)} lists of tags, one a sentence, got {got}.")
        parts: list[Any] = []
        for i, (tags, n_words) in enumerate(zip(y, lengths.tolist(), strict=True)):
            place = f"{_WHO}, sentence {i}"
            if isinstance(tags, str) or not hasattr(tags, "__len__"):
                raise DataError(
                    f"{place}: expected a list of tags, one a word, got {tags!r}. A class for the whole text "
                    "is for TextClassifier."
                )
            if self.scheme is not None and (not len(tags) or isinstance(tags[0], tuple)):
                parts.append(_tags_of_places(tags, documents, i, place))
                continue
            if len(tags) != n_words:
                raise DataError(f"{place}: expected {n_words} tags, one a word, got {len(tags)}.")
            if self.scheme is not None:
                check_tags(list(tags), place)
            parts.append(list(tags))
        flat = np.empty(int(lengths.sum()), dtype=object)
        flat[:] = [tag.item() if isinstance(tag, np.generic) else tag for tags in parts for tag in tags]
        given, is_labelled = as_step_labels(flat, who=_WHO)
        if is_labelled.all():
            return given
        flat[~is_labelled] = None
        return flat

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        smoothing = float(self.label_smoothing)
        return encode_step_classes(samples, self.class_weight, _WHO, self.device, smoothing=smoothing)


def _tags_of_places(spans: Any, documents: Documents, i: int, place: str) -> list[str]:
    """Convert spans in characters of a raw text to tags of its words.

    Raises:
        DataError: a span begins or ends within a word, or overlaps another.
    """
    start, end = documents.sequences.offsets[i : i + 2]
    places = documents.spans[start:end]
    word_spans = []
    for first, last, label in spans:
        words = np.flatnonzero((places[:, 0] < last) & (places[:, 1] > first))
        if not len(words) or places[words[0], 0] != first or places[words[-1], 1] != last:
            raise DataError(
                f"{place}: expected spans of whole words, got {first} to {last}, which is "
                f"{documents.texts[i][first:last]!r}. Move its ends, or give lists of words and tags."
            )
        word_spans.append(Span(int(words[0]), int(words[-1]) + 1, label))
    return tags_of_spans(word_spans, len(places), place)

"""TextClassifier: texts to classes, learned from the texts alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.targets import as_labels
from unrolled.data.sequences import Sequences
from unrolled.data.text.documents import Documents
from unrolled.data.text.tokenizer import Unit
from unrolled.models.parameters import RandomSource
from unrolled.models.sequence.labels import (
    ClassWeight,
    Labels,
    encode_classes,
    require_like_classes,
)
from unrolled.models.sequence.samples import TrainingSamples, check_weights
from unrolled.models.sequence.training import EncodedTargets
from unrolled.models.text.base import TextEstimator
from unrolled.nn.modules.inference import mean_answers

Floats = NDArray[np.float64]

_WHO = "TextClassifier y"


class TextClassifier(TextEstimator):
    """Predict the class of each text: sentiment, topic, kind of question.

    A word is its own vector plus those of its character n-grams, so that a word that the training text lacks
    is still read by its spelling; recurrent layers read the words in both directions. All of it is learned
    from the texts given, without anything to download.

    Args:
        unit: tokens of a text: "word", "char", or a number of subwords (extra `unrolled[text]`).
        cell: "gru", "lstm" or "rnn".
        hidden_size: units of each direction.
        num_layers: recurrent layers, one on the other.
        bidirectional: whether a second run reads from the end.
        embedding_size: numbers of a word's vector.
        n_buckets: of hashed character n-grams of 3 to 5 letters, their ends marked; 0 for words alone.
        vectors: a text file with a word and its numbers a line, as GloVe and fastText have; they are read
            beside the learned ones and not trained.
        min_count: times that a word must occur to have a vector of its own; None for 1.
        pooling: how the states of all words become one vector; see SequenceClassifier.
        dropout: between layers and before the readout, from 0 to below 1.
        embedding_dropout: of the numbers of the vectors.
        word_dropout: of whole words, which a training step then does not see.
        label_smoothing: share of the target that is spread over all classes.
        class_weight: None; "balanced" for classes that count alike however rare; or a dict of weights.
        n_members: networks with different seeds, whose probabilities are averaged.
        max_epochs: passes over the texts at most; None for 3, or as many as make 400 steps, but no more
            than 50.
        patience: epochs without a lower validation loss before the training stops early; None for all.
        batch_size: texts a step; fewer where there are few texts.
        learning_rate: the peak of its one cycle.
        validation_fraction: the part of each class that is held out to choose the epoch by; None for none:
            the fixed number of epochs trains on all.
        random_state: seed of weights, shuffling, dropout and of what is held out.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds.

    After `fit`: `classes_`, `encoder_` (its `vocabulary`), `tokenizer_`, `n_epochs_` and `stopping_reason_`,
    `history_` (of the last network), `networks_`, `network_config_`, `n_parameters_` (of one), `seconds_`.

    >>> texts = ["a warm, funny film", "dull and far too long", "funny and warm", "too dull"] * 8
    >>> model = TextClassifier(hidden_size=16, n_members=1).fit(texts, ["good", "bad"] * 16)
    >>> model.predict(["so funny", "so long and so dull"]).tolist()
    ['good', 'bad']
    """

    def __init__(
        self,
        *,
        unit: Unit = "word",
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int = 100,
        n_buckets: int = 16_384,
        vectors: str | Path | None = None,
        min_count: int | None = None,
        pooling: str | None = None,
        dropout: float = 0.5,
        embedding_dropout: float = 0.5,
        word_dropout: float = 0.3,
        label_smoothing: float = 0.05,
        class_weight: ClassWeight = None,
        n_members: int = 3,
        max_epochs: int | None = None,
        patience: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        validation_fraction: float | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    def predict(self, X: Any) -> Labels:
        """Predict the likeliest class (N,) of each text.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        likeliest = self._probabilities(self._like_fitted(X).sequences).argmax(1)
        return self.classes_[likeliest]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> Floats:
        """Predict the probability (N, K) of each class, in the order of `classes_`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        return self._probabilities(self._like_fitted(X).sequences)

    def score(self, X: Any, y: Any, *, sample_weight: Any = None) -> float:
        """Compute the accuracy: the share of texts whose class is predicted.

        A class that was not seen in training is never predicted, and counts as wrong.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is, or its labels are of another type than in training.
        """
        documents = self._like_fitted(X)
        labels = self._check_targets(y, documents)
        require_like_classes(labels, self.classes_, _WHO)
        weights = check_weights(sample_weight, documents.sequences)
        predictions = self.classes_[self._probabilities(documents.sequences).argmax(1)]
        return float(np.average(predictions == labels, weights=weights))

    def _probabilities(self, data: Sequences) -> Floats:
        probabilities = np.empty((len(data), len(self.classes_)))
        for rows, outputs, _ in self._outputs(data):
            probabilities[rows] = mean_answers(outputs, is_class=True)
        return probabilities

    def _check_targets(self, y: Any, documents: Documents) -> Labels:
        return as_labels(y, len(documents.sequences), who=_WHO)

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        smoothing = float(self.label_smoothing)
        return encode_classes(samples, self.class_weight, _WHO, self.device, smoothing=smoothing)

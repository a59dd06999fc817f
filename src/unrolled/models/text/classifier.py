"""TextClassifier: texts to classes, learned from the texts alone."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.targets import as_labels
from unrolled.data.sequences import Sequences
from unrolled.data.text.documents import Documents
from unrolled.data.text.tokenizer import Tokenizer, Unit
from unrolled.data.text.vectors import WordVectors
from unrolled.models.parameters import ANY, FloatRange, RandomSource, UnusedBeside
from unrolled.models.sequence.labels import (
    ClassWeight,
    Labels,
    encode_classes,
    require_like_classes,
)
from unrolled.models.sequence.samples import TrainingSamples, check_weights
from unrolled.models.sequence.training import EncodedTargets
from unrolled.models.text.base import TextEstimator
from unrolled.models.text.encoder import TokenEncoder
from unrolled.models.text.fine_tuning import FineTuning, with_language_body
from unrolled.models.text.language.fitted import FittedLanguageModel, unfrozen
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.network import TextNetworkConfig
from unrolled.nn.modules.inference import mean_answers

Floats = NDArray[np.float64]

_WHO = "TextClassifier y"
_OF_ENCODER = (
    "unit", "cell", "hidden_size", "num_layers", "embedding_size", "n_buckets", "vectors", "min_count"
)  # fmt: skip


class TextClassifier(TextEstimator):
    """Predict the class of each text: sentiment, topic, kind of question.

    A word is its own vector plus those of its character n-grams, so that a word that the training text lacks
    is still read by its spelling; recurrent layers read the words in both directions. Pairs of neighbouring
    words add to their logits directly, and so does a logistic regression on TF-IDF of words, pairs of words
    and character n-grams: what few short texts teach, a linear model learns more quickly. The regression is
    left out where it would take long (67 million features of all texts times classes), and where texts are
    not read by words. All of it is learned from the texts given, without anything to download.

    Args:
        encoder: a fitted LanguageModel, whose tokens, embedding and layers are read with and fine-tuned on
            the labels, gradually from the readout down; it is copied and stays as it is. None to learn from
            these texts alone. Each text is read from a state of zeros.
        layer_decay: learning rate of a layer of the encoder over that of the one above it: below 1 what it
            knows moves less, which pays where it has read far more text than the labels have.
        unit: tokens of a text: "word", "char", or a number of subwords (extra `unrolled[text]`); None for
            "word", or those of the encoder.
        cell: "gru", "lstm" or "rnn".
        hidden_size: units of each direction.
        num_layers: recurrent layers, one on the other.
        bidirectional: whether a second run reads from the end; None for yes, but not with an encoder.
        embedding_size: numbers of a word's vector.
        n_buckets: of hashed character n-grams of 3 to 5 letters, their ends marked; 0 for words alone,
            without pairs and regression too.
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

    After `fit`: `classes_`, `token_encoder_` (its `vocabulary`), `tokenizer_`, `n_epochs_` and
    `stopping_reason_`, `history_` (of the last network), `networks_`, `network_config_`, `n_parameters_` (of
    one), `seconds_`.

    >>> texts = ["a warm, funny film", "dull and far too long", "funny and warm", "too dull"] * 8
    >>> model = TextClassifier(hidden_size=16, n_members=1).fit(texts, ["good", "bad"] * 16)
    >>> model.predict(["so funny", "so long and so dull"]).tolist()
    ['good', 'bad']
    """

    _models_among_parameters: ClassVar = {"encoder": LanguageModel}
    _unused = (
        UnusedBeside(_OF_ENCODER, "encoder", ANY, "has its own"),
        UnusedBeside(("layer_decay",), "encoder", (None,), "has no layers that were learned before"),
        UnusedBeside(("bidirectional",), "encoder", ANY, "reads from the beginning alone", only=(True,)),
    )

    encoder: Annotated[LanguageModel | None, FittedLanguageModel()]
    layer_decay: Annotated[float, FloatRange(above=0, most=1)]

    def __init__(
        self,
        *,
        encoder: LanguageModel | None = None,
        layer_decay: float = 1.0,
        unit: Unit | None = None,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool | None = None,
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

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy with the same language model, which a copy of its own would have lost."""
        params = {n: v if n == "encoder" else deepcopy(v) for n, v in self.get_params().items()}
        return self._pass_requests_on(type(self)(**params))

    @property
    def cell_name(self) -> str:
        """Name of the recurrent cell that reads the texts: that of the encoder, if there is one."""
        return self.cell if self.encoder is None else str(unfrozen(self.encoder).cell)

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

    def _saved_parameters(self) -> dict[str, Any]:
        return super()._saved_parameters() | {"encoder": unfrozen(self.encoder)}

    def _learn_tokenizer(self, texts: list[str]) -> Tokenizer:
        if self.encoder is None:
            return super()._learn_tokenizer(texts)
        language: LanguageModel = unfrozen(self.encoder)
        return replace(language.codec_.tokenizer, keeps_space=True)

    def _learn_encoder(
        self, data: Sequences, validation_mask: NDArray[np.bool_]
    ) -> tuple[TokenEncoder, WordVectors | None]:
        if self.encoder is None:
            return super()._learn_encoder(data, validation_mask)
        return TokenEncoder(unfrozen(self.encoder).codec_.vocabulary), None

    def _make_config(
        self, encoder: TokenEncoder, vectors: WordVectors | None, output_size: int
    ) -> TextNetworkConfig:
        config = super()._make_config(encoder, vectors, output_size)
        fine_tuning = self._fine_tuning()
        if fine_tuning is None:
            return config
        return with_language_body(config, fine_tuning.language_network.config)

    def _fine_tuning(self) -> FineTuning | None:
        if self.encoder is None:
            return None
        return FineTuning(unfrozen(self.encoder).networks_[0], float(self.layer_decay))

    def _vocabulary_source(self) -> str:
        return super()._vocabulary_source() if self.encoder is None else "its language model"

    def _check_targets(self, y: Any, documents: Documents) -> Labels:
        return as_labels(y, len(documents.sequences), who=_WHO)

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        smoothing = float(self.label_smoothing)
        return encode_classes(samples, self.class_weight, _WHO, self.device, smoothing=smoothing)

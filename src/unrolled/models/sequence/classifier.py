"""SequenceClassifier: sequences of any length to classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from unrolled.data.alignment import align_targets
from unrolled.data.io.targets import as_labels
from unrolled.data.sequences import Sequences
from unrolled.models.sequence.base import Floats
from unrolled.models.sequence.inputs import SequenceInputs
from unrolled.models.sequence.labels import (
    Labels,
    SequenceLabelEstimator,
    encode_classes,
    require_like_classes,
)
from unrolled.models.sequence.samples import TrainingSamples, check_weights
from unrolled.models.sequence.training import EncodedTargets
from unrolled.nn.modules.inference import mean_answers


class SequenceClassifier(SequenceLabelEstimator):
    """Predict the class of each sequence, whatever its length and its number of features.

    Args:
        cell: "gru", "lstm" or "rnn"; "feedforward" reads a sequence as one flat vector, as far as the
            longest of the training, and has neither stem nor layers, directions or pooling to choose.
        hidden_size: units of the core; None for 64, or 512 in a reservoir.
        num_layers: recurrent layers, one on the other.
        activation: of "rnn": tanh, relu, leaky_relu, prelu, sigmoid, identity, softsign, elu, hardtanh.
        bidirectional: whether a second run reads from the end.
        stem: whether the core reads changes and short patterns beside the values, and fewer steps of
            sequences of 400 or more, or the values alone. Neither way knows a later step.
        pooling: how the states of all steps become one vector: "last", "mean", "max", "attention", or
            several joined by "+"; None for "last+mean+max".
        dropout: between layers and before the readout, from 0 to below 1.
        solver: "gradient"; or "reservoir", whose recurrent weights stay random and whose readout is
            solved in closed form. It takes nothing that only epochs need: a grid search over `solver`, as
            one over `cell` with "feedforward", needs a list of grids.
        class_weight: None; "balanced" for classes that count alike however rare; or a dict of weights.
        n_members: networks with different seeds, whose probabilities are averaged; None for 4 below 500
            sequences, where luck in the start matters, else 1, as for a reservoir.
        max_epochs: passes over the sequences at most; None for 50, or as many as make 200 steps (400
            with another cell than "gru" or "rnn", and to learn numbers or tags), but no more than make 8,000.
        patience: epochs without a lower validation loss before the training stops early; None for three
            tenths of all epochs.
        batch_size: sequences a step; None for 64, fewer if there are few sequences.
        learning_rate: the peak of its one cycle.
        validation_fraction: the part of each class that is held out to choose the epoch by; 0 trains on all
            for all epochs, as is done where fewer than 30 sequences would be held out; None for 0.1 from
            2,000 sequences on, else 0. All networks of an ensemble share it, and no scale of X depends on it.
        layout: axes of arrays: "ntc" for (N, T, F), "nct" for (N, F, T), and (F, T_i) in a list; None for
            "ntc" with a warning where every sequence then has fewer steps than features.
        missing: how values that are missing (NaN) are read: "linear" as on a straight line between known
            ones; "mask" likewise, with whether it is missing and the steps since the last known value as
            two inputs more; "forward" and "forward+mask" as the last value instead, which streams can;
            "decay" as "forward+mask", the last value moving to the mean at rates that are learned; None
            where none may be missing.
        random_state: seed of weights, shuffling, dropout and of what is held out.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds.

    After `fit`: `classes_`, `n_epochs_` and `stopping_reason_` (how that number came about), `history_` (of
    the last network), `networks_`, `network_config_`, `scaler_`, `n_parameters_` (of one network),
    `seconds_`, `max_length_` (steps of the longest sequence), `n_features_in_`: F, or T where X was (N, T),
    as scikit-learn counts; and `feature_names_in_`, where X was a frame with columns of such names.

    >>> X = [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]]
    >>> model = SequenceClassifier(hidden_size=8).fit(X, ["up", "down"])
    >>> model.predict(X).tolist(), model.predict([[2, 3, 4]]).tolist()
    (['up', 'down'], ['up'])
    >>> model.stopping_reason_
    '2 sequences are too few to hold some out: all of them trained for a fixed number of 200 epochs.'
    """

    @property
    def _min_steps(self) -> int:
        """Half as many as others take: a GRU and a simple RNN are as accurate, an LSTM is not."""
        return 200 if self.cell in ("gru", "rnn") else super()._min_steps

    def predict(self, X: Any, *, lengths: Any = None) -> Labels:
        """Predict the likeliest class (N,) of each sequence; `lengths` are those of padded arrays.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another number of features.
        """
        likeliest = self._probabilities(self._like_fitted(X, lengths).data).argmax(1)
        return self.classes_[likeliest]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any, *, lengths: Any = None) -> Floats:
        """Predict the probability (N, K) of each class, in the order of `classes_`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another number of features.
        """
        return self._probabilities(self._like_fitted(X, lengths).data)

    def _probabilities(self, data: Sequences) -> Floats:
        probabilities = np.empty((len(data), len(self.classes_)))
        for rows, outputs, _ in self._outputs(data):
            probabilities[rows] = mean_answers(outputs, is_class=True)
        return probabilities

    def score(self, X: Any, y: Any, *, sample_weight: Any = None, lengths: Any = None) -> float:
        """Compute the accuracy: the share of sequences whose class is predicted.

        A class that was not seen in training is never predicted, and counts as wrong.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is, or its labels are of another type than in training.
        """
        inputs = self._like_fitted(X, lengths)
        labels = self._check_targets(y, inputs)
        require_like_classes(labels, self.classes_, "SequenceClassifier y")
        weights = check_weights(sample_weight, inputs.data)
        predictions = self.classes_[self._probabilities(inputs.data).argmax(1)]
        return float(np.average(predictions == labels, weights=weights))

    def _check_targets(self, y: Any, inputs: SequenceInputs) -> Labels:
        who = "SequenceClassifier y"
        return as_labels(align_targets(y, inputs.data, who), len(inputs.data), who=who)

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        return encode_classes(samples, self.class_weight, "SequenceClassifier y", self.device)

"""Base of the classifier and the tagger: classes, their weights, the weighted loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.io.targets import as_step_labels
from unrolled.errors import ArgumentError, DataError
from unrolled.models.parameters import RandomSource
from unrolled.models.persistence import ARRAY
from unrolled.models.sequence.base import Floats, Ints, SequenceEstimator
from unrolled.models.sequence.dataset import NO_LABEL, SequenceBatch
from unrolled.models.sequence.network import Criterion
from unrolled.models.sequence.samples import TrainingSamples
from unrolled.models.sequence.training import EncodedTargets
from unrolled.nn.ops.sequence import cross_entropy, runs_on_kernels
from unrolled.validation import ErrorCollector, check_float, suggest_spelling

Labels = NDArray[Any]
ClassWeight = str | Mapping[Any, float] | None


class SequenceLabelEstimator(SequenceEstimator):
    """Estimator that predicts one of the labels it was fitted on."""

    _learned: ClassVar = {"classes_": ARRAY}

    class_weight: ClassWeight
    classes_: Labels

    def __init__(
        self,
        *,
        cell: str = "gru",
        hidden_size: int | None = None,
        num_layers: int = 1,
        activation: str = "tanh",
        bidirectional: bool = False,
        stem: bool = True,
        pooling: str | None = None,
        dropout: float = 0.2,
        solver: str = "gradient",
        class_weight: ClassWeight = None,
        n_members: int | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        validation_fraction: float | None = None,
        layout: str | None = None,
        missing: str | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    def output_classes(self) -> Labels:
        """Return `classes_`, whose logits the networks put out."""
        self._require_fitted()
        return self.classes_

    def __sklearn_tags__(self) -> Any:
        """Describe a classifier, whose y is required."""
        from sklearn.utils import ClassifierTags  # noqa: PLC0415

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        return tags


def encode_labels(labels: Labels, who: str) -> tuple[Labels, Ints]:
    """Return the classes, sorted, and the number of each label's class.

    Raises:
        DataError: there is one class only.

    >>> classes, numbers = encode_labels(np.array(["up", "down", "up"]), "y")
    >>> classes.tolist(), numbers.tolist()
    (['down', 'up'], [1, 0, 1])
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) == 1:
        raise DataError(
            f"{who}: expected at least two classes, got one class ({_label_text(classes[0])}) in all labels. "
            "Give examples of another class."
        )
    return classes, numbers.astype(np.int64)


def require_like_classes(labels: Labels, classes: Labels, who: str) -> None:
    """Pass if labels are of the type of the classes; a label of none of them is allowed.

    Raises:
        DataError: these are texts and those are numbers, so that none can be right.
    """
    if (labels.dtype.kind == "U") != (classes.dtype.kind == "U"):
        raise DataError(
            f"{who}: expected labels like {_label_text(classes[0])}, as in fit, got "
            f"{_label_text(labels[0])}. Write both as texts, or both as numbers."
        )


def compute_class_weights(
    class_weight: ClassWeight, classes: Labels, numbers: Ints, sample_weights: Floats | None = None
) -> Floats:
    """Compute the weight (K,) of each class, 1 on average over the examples (N,), weighted if they are.

    "balanced" gives every class the same sum; a class that a dict leaves out has weight 1.

    Raises:
        ArgumentError: it is none of these, a weight is negative or all are 0, or a name is not a class.

    >>> compute_class_weights("balanced", np.array([0, 1]), np.array([0, 0, 0, 1])).round(3).tolist()
    [0.667, 2.0]
    """
    counts = np.bincount(numbers, sample_weights, minlength=len(classes))
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        return counts.sum() / (len(classes) * counts)  # type: ignore[no-any-return]
    if not isinstance(class_weight, Mapping):
        raise ArgumentError(f"class_weight: expected None, 'balanced' or a dict, got {class_weight!r}.")
    names = classes.tolist()
    unknown = [name for name in class_weight if name not in names]
    if unknown and any(name not in class_weight for name in names):
        alike = [name for name in names if str(name) == str(unknown[0])]  # 0 and '0'
        offer = suggest_spelling(str(unknown[0]), map(str, names))
        if alike:
            offer = f" Did you mean {_label_text(alike[0])}, of type {type(alike[0]).__name__}?"
        raise ArgumentError(f"class_weight: {_label_text(unknown[0])} is no class of y.{offer}")
    faults = ErrorCollector()
    for name, weight in class_weight.items():
        faults.collect(check_float, f"class_weight of {_label_text(name)}", weight, least=0)
    faults.raise_if_any()
    weights = np.array([class_weight.get(name, 1.0) for name in names], dtype=np.float64)
    if not counts @ weights > 0:
        raise ArgumentError(f"class_weight: expected one above 0, got {dict(class_weight)!r}.")
    return weights * counts.sum() / (counts @ weights)  # type: ignore[no-any-return]


def weighted_cross_entropy(
    weights: Floats, per_sequence: float, device: str, *, smoothing: float = 0.0
) -> Criterion:
    """Make the criterion -Σ v w[y] Σ_k q_k log p_k / (B · S), S the targets of a sequence on average.

    v is the weight of the sequence, or 1; q is 1 - ε for the class y, plus ε / K for every class.

    The divisor comes from the whole data and not from the batch, so that the sum over all batches is the same
    however they are cut. Its gradient in the logits is v w[y] (p - q) / (B · S).

    Source: label smoothing as in Szegedy et al., Rethinking the Inception Architecture (2016).

    Args:
        weights: (K,) of the classes.
        per_sequence: S.
        device: where the network is.
        smoothing: ε.
    """
    on_device = torch.from_numpy(weights).float().to(device)

    def criterion(outputs: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        logits, targets = outputs.flatten(0, -2), batch.targets.flatten()
        divisor = len(batch.targets) * per_sequence
        if not smoothing and runs_on_kernels(logits):
            value, gradient = cross_entropy(logits.contiguous(), targets, on_device, divisor, batch.weights)
            return value, gradient.view_as(outputs)
        classes = targets.clamp(min=0)
        shares = on_device.index_select(0, classes).to(logits.dtype) * (targets >= 0) / divisor
        if batch.weights is not None:
            shares = shares * batch.weights.repeat_interleave(len(targets) // len(batch.weights))
        places, log_p = classes[:, None], logits.log_softmax(1)
        spread = smoothing / log_p.shape[1]
        value = -(log_p.gather(1, places)[:, 0] @ shares) * (1 - smoothing) - spread * (log_p.sum(1) @ shares)
        gradient = (log_p.exp() - spread) * shares[:, None]
        gradient.scatter_add_(1, places, -(1 - smoothing) * shares[:, None])
        return value, gradient.view_as(outputs)

    return criterion


def _label_text(label: Any) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)


def encode_classes(
    samples: TrainingSamples, class_weight: ClassWeight, who: str, device: str, *, smoothing: float = 0.0
) -> EncodedTargets:
    """Encode one label a sequence as the number of its class, with the weighted loss of the classes.

    Raises:
        ArgumentError: `class_weight` cannot be used.
        DataError: there is one class only.
    """
    classes, numbers = encode_labels(samples.targets, who)
    weights = compute_class_weights(class_weight, classes, numbers, samples.weights)
    return EncodedTargets(
        torch.from_numpy(numbers),
        output_size=len(classes),
        criterion=weighted_cross_entropy(weights, 1.0, device, smoothing=smoothing),
        loss_settings=(weights.tolist(), smoothing),
        strata=numbers,
        class_weights=torch.from_numpy(weights),
        learned={"classes_": classes},
    )


def encode_step_classes(
    samples: TrainingSamples, class_weight: ClassWeight, who: str, device: str, *, smoothing: float = 0.0
) -> EncodedTargets:
    """Encode one label a step as the number of its class, -1 where there is none, with the weighted loss.

    Raises:
        ArgumentError: `class_weight` cannot be used.
        DataError: there is one class only.
    """
    labels, is_labelled = as_step_labels(samples.targets, who=who)
    classes, numbers = encode_labels(labels, who)
    step_weights = None if samples.step_weights is None else samples.step_weights[is_labelled]
    targets = np.full(len(is_labelled), NO_LABEL)
    targets[is_labelled] = numbers
    weights = compute_class_weights(class_weight, classes, numbers, step_weights)
    n_steps = len(numbers) if step_weights is None else step_weights.sum()
    scale = float(n_steps / len(samples.data))
    return EncodedTargets(
        torch.from_numpy(targets),
        output_size=len(classes),
        criterion=weighted_cross_entropy(weights, scale, device, smoothing=smoothing),
        loss_settings=(weights.tolist(), scale, smoothing),
        class_weights=torch.from_numpy(weights),
        learned={"classes_": classes},
    )

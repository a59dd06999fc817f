"""Adapt fitted estimators and torch modules to one interface for the probes.

Shapes: N sequences, B of them at once, T steps of the longest, F inputs, K outputs: classes or numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.data.io.arrays import as_sequences
from unrolled.errors import ArgumentError, DataError, NotFittedError
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.protocols import (
    SupportsForecastWindows,
    SupportsFrameTimes,
    SupportsSequenceTensors,
    SupportsTokenVectors,
)
from unrolled.probe.model.forecaster import ForecastCall
from unrolled.probe.model.layer_hook import first_output
from unrolled.probe.model.output_kind import gives_probabilities
from unrolled.probe.model.probed_model import NetworkCall, ProbedModel
from unrolled.probe.model.targets import (
    align_to_frame,
    are_class_numbers,
    class_numbers,
    encode_targets,
)
from unrolled.probe.model.texts import probed_texts
from unrolled.probe.model.tokens import find_token_call
from unrolled.probe.model.torch_module import (
    CallWithLengths,
    call_by_length,
    lengths_argument,
    pad_sequences,
)
from unrolled.probe.model.unwrap import unwrap_model


def as_probed_model(model: Any, X: Any, y: Any = None, *, caller: str = "probe") -> ProbedModel:
    """Pair a model with the sequences to probe it on.

    Args:
        model: a fitted SequenceClassifier, SequenceRegressor or SequenceTagger; a fitted AudioClassifier,
            probed on the frames of its recordings; a fitted TextClassifier, TextTagger or LanguageModel,
            probed on the vectors of the words or characters of X (a language model on how it predicts the
            next, without y); a fitted Forecaster, probed on its latest windows (X the series, None for its
            own; y is not read, its outputs are the medians of the horizon); or a torch module that holds a
            recurrent layer and is called with (B, T, F), and with lengths if its `forward` takes `lengths`,
            `seq_lens` or the like. Without them, sequences of different lengths are passed in batches of one
            length. A module's outputs for classes are logits, log probabilities or probabilities: outputs
            that lie from 0 to 1 and sum to 1 for every sequence of X are taken as probabilities; so is a
            single output from 0 to 1 that comes out of a sigmoid, any other is the logit of class 1. A module
            that looks up tokens is probed on the vectors of its embedding; of a dictionary or dataclass that
            it returns, 'logits' or the only tensor counts. A GridSearchCV stands for its best estimator, a
            Pipeline for its last step (X is transformed by the others), a skorch net for its module.
        X: whatever `unrolled.data.io.arrays.as_sequences` takes, or a tensor.
        y: labels or numbers, one a sequence; for a tagger a list of them. Classes of a module are numbered
            from 0, or one-hot. None where the probe needs none.
        caller: name of the probe, for error messages.

    Raises:
        ArgumentError: the model is none of these.
        NotFittedError: the model is not fitted.
        DataError: X or y cannot be used.

    >>> toy = [[[1.0], [2.0], [3.0]], [[3.0], [2.0], [1.0]]]
    >>> class Last(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn, self.fc = nn.RNN(1, 8, batch_first=True), nn.Linear(8, 2)
    ...     def forward(self, x):
    ...         return self.fc(self.rnn(x)[0][:, -1])
    >>> probed = as_probed_model(Last(), torch.tensor(toy), [1, 0])
    >>> probed.outputs().shape, probed.score().losses.shape, probed.layer_call().inputs.shape
    (torch.Size([2, 2]), (2,), torch.Size([2, 3, 1]))
    """
    model, X = unwrap_model(model, X, caller=caller)
    if isinstance(model, nn.Module):
        return _of_module(model, X, y, caller)
    is_forecaster = isinstance(model, SupportsForecastWindows)
    is_text = isinstance(model, SupportsTokenVectors)
    reads_sequences = is_forecaster or is_text or isinstance(model, SupportsSequenceTensors)
    if isinstance(model, NetworkEstimator) and not reads_sequences:
        raise ArgumentError(
            f"{caller}: expected a model whose outputs are classes or numbers, got {type(model).__name__}. "
            "Give a classifier, a regressor, a tagger, a Forecaster or a LanguageModel."
        )
    if isinstance(model, type) or not reads_sequences:
        raise ArgumentError(
            f"{caller}: expected a fitted model of unrolled or a torch module, got {type(model).__name__}. "
            "Give the model first, then X."
        )
    if not model.__sklearn_is_fitted__():
        raise NotFittedError(f"{caller}: the {type(model).__name__} is not fitted yet. Call fit(X, y) first.")
    if is_forecaster:
        return _of_forecaster(model, X)
    if is_text:
        return probed_texts(model, X, y, _estimator_name(model), caller)
    return _of_estimator(model, X, y, caller)


def _estimator_name(model: Any) -> str:
    cell = model.network_config_.cell
    return "the feed-forward network" if cell == "feedforward" else f"the {cell.upper()}"


def _of_forecaster(model: Any, X: Any) -> ProbedModel:
    batch = model.last_windows(X).to(model.device)
    call = ForecastCall(batch)
    return ProbedModel(
        name=_estimator_name(model),
        task="number",
        networks=model.networks_,
        call=call,
        values=batch.inputs,
        lengths=torch.full((len(batch.inputs),), batch.inputs.shape[1]),
        classes=None,
        targets=call.targets,
        per_step=False,
        stem_stride=1,
    )


def _of_estimator(model: Any, X: Any, y: Any, caller: str) -> ProbedModel:
    values, lengths = model.tensors(X)
    per_step, classes = bool(model.network_config_.per_step), model.output_classes()
    targets = None
    if y is not None:
        y = align_to_frame(y, X, per_step=per_step, caller=f"{caller} y")
        targets = encode_targets(y, lengths, classes, per_step=per_step, caller=f"{caller} y").to(
            values.device
        )
    mean, scale = model.output_scale()
    return ProbedModel(
        name=_estimator_name(model),
        task="number" if classes is None else "class",
        networks=tuple(model.networks_),
        call=lambda network, values, lengths, _: network(values, lengths) * scale + mean,
        values=values,
        lengths=lengths,
        classes=classes,
        targets=targets,
        per_step=per_step,
        stem_stride=max(1, int(getattr(model.network_config_, "stem_stride", 1))),
        frame_shape=tuple(getattr(model.network_config_, "frame_shape", ())),
        step_s=model.frame_s_ if isinstance(model, SupportsFrameTimes) else None,
    )


def _of_module(module: nn.Module, X: Any, y: Any, caller: str) -> ProbedModel:
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    weight = next(iter(module.parameters()), torch.zeros(()))
    values, lengths = pad_sequences(as_sequences(X, who=f"{caller} X"))
    values = values.to(weight.device, weight.dtype)
    argument = lengths_argument(module)
    call: NetworkCall = CallWithLengths(argument) if argument else call_by_length
    if token_call := find_token_call(module, call, values, lengths, caller):
        call, values = token_call, token_call.embed(module, values)
    first = first_output(module, call, values, lengths, caller)
    K, per_step = first.shape[-1], first.ndim == 3
    y = align_to_frame(y, X, per_step=per_step, caller=f"{caller} y")
    y = class_numbers(y, K, per_step=per_step)
    is_class = K > 1 if y is None else are_class_numbers(y, K, per_step=per_step, caller=f"{caller} y")
    classes = np.arange(max(K, 2)) if is_class else None
    targets = None
    if y is not None:
        targets = encode_targets(y, lengths, classes, per_step=per_step, caller=f"{caller} y").to(
            weight.device
        )
        if not is_class and targets.shape[-1] != K:
            raise DataError(f"{caller} y: expected {K} numbers each, one an output; got {targets.shape[-1]}.")
        targets = targets if is_class else targets.to(weight.dtype)
    probed = ProbedModel(
        name=f"the {type(module).__name__}",
        task="class" if is_class else "number",
        networks=(module,),
        call=call,
        values=values,
        lengths=lengths,
        classes=classes,
        targets=targets,
        per_step=per_step,
    )
    return replace(probed, gives_probabilities=is_class and gives_probabilities(probed, first, caller))

"""Sentence of the order probe: what its numbers show, beside the losses that its p-values are of."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unrolled.formatting import number, p_value_words, percent, quantity
from unrolled.probe.measure.permutation_scores import DEFAULT_REPEATS
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.order_result import OrderResult, RetrainResult
from unrolled.probe.wording.claims import ignores_order, is_rewarded_more_often, is_right_more_often
from unrolled.probe.wording.scores import compared_numbers, compared_shares, quoted_loss

ModelFinding = Literal["gains", "surer", "reacts", "ignores", "few", "untested"]

_MODEL_CONCLUSIONS: dict[ModelFinding, str] = {
    "gains": "Order matters to this model",
    "surer": "Order matters to how sure this model is, not to how often it is right",
    "reacts": "This model reacts to the order, but is not shown to gain from it",
    "ignores": "Order does not matter to this model",
    "few": "There is too little to tell whether order matters to this model",
    "untested": "Whether order matters to this model is not tested, because its windows overlap",
}


def order_sentence(record: OrderResult, probed: ProbedModel) -> str:
    """State what the numbers show of the model, and of the data where models were retrained."""
    finding = _model_finding(record)
    sentence = f"{_MODEL_CONCLUSIONS[finding]}: {_model_clause(record, probed, finding)}."
    return sentence if record.retrained is None else f"{sentence} {_data_sentence(record.retrained, probed)}"


def _model_finding(record: OrderResult) -> ModelFinding:
    """Name what the numbers show; the loss is tested, so a gain may leave the answers as they are."""
    if record.outcome == "not tested":
        return "untested"
    if record.outcome == "too few to tell":
        return "few"
    if record.outcome == "yes":
        return "gains" if is_right_more_often(record) else "surer"
    return "ignores" if ignores_order(record) else "reacts"


def _items(probed: ProbedModel) -> str:
    return "steps" if probed.per_step else "sequences"


def _model_clause(record: OrderResult, probed: ProbedModel, finding: ModelFinding) -> str:
    if finding == "few":
        sequences = quantity(record.sequences, "sequence")
        return f"shuffling the steps of {sequences} gives hardly anything new"
    rows = {row["arrangement"]: row for row in record.table}
    original, shuffled = (rows[name] for name in ("original", "shuffled"))
    measure = "a log loss" if record.task == "class" else "an error"
    copies = len(record.shuffled_losses)
    losses = [
        quoted_loss(loss, record.task)
        for loss in (original["loss"], float(np.median(record.shuffled_losses)))
    ]
    first, second = (
        [number(loss, 3) for loss in losses] if finding == "ignores" else compared_numbers(*losses)
    )
    clause = f"{probed.name} has {measure} of {first}, and of {second} in the median of {copies} shuffles"
    clause += _p_value_clause(record.p_value, copies, is_gain=record.outcome == "yes")
    if record.task == "number":
        return clause
    right = compared_shares(original["accuracy"], shuffled["accuracy"])
    return (
        f"{clause}; it is right in {right[0]} of the {_items(probed)}, and in {right[1]} with the steps "
        f"shuffled ({percent(shuffled['flipped'])} of its predictions change)"
    )


def _p_value_clause(p_value: float | None, copies: int, *, is_gain: bool) -> str:
    if p_value is None:
        return ""
    cases = p_value_words(p_value)
    if not is_gain:
        return f" (a shuffle does as well in {cases} cases)"
    is_least = copies < DEFAULT_REPEATS and p_value <= 1 / (1 + copies)
    limit = f", the least that {copies} shuffles can show" if is_least else ""
    return f", a difference that chance alone makes in {cases} cases{limit}"


def _data_sentence(retrained: RetrainResult, probed: ProbedModel) -> str:
    if retrained.p_value is None or retrained.original is None or retrained.shuffled is None:
        sequences = quantity(retrained.sequences, "sequence")
        return (
            "There is too little to tell whether the data reward order: "
            f"{sequences} are too few to retrain models and score them."
        )
    conclusion = "The data are not shown to reward order"
    if retrained.outcome == "yes":
        surer = (
            "" if is_rewarded_more_often(retrained) else " in how sure models are, not in what they answer"
        )
        conclusion = f"The data reward order{surer}"
    is_class = probed.task == "class"
    first, second = compared_numbers(
        *(quoted_loss(loss, probed.task) for loss in (retrained.original, retrained.shuffled))
    )
    clause = (
        f"retrained models have {'a bounded log loss' if is_class else 'an error'} of {first} on held-out "
        f"{_items(probed)}, and of {second} when trained on shuffled steps"
    )
    cases = p_value_words(retrained.p_value)
    clause += (
        f", a difference that chance alone makes in {cases} cases"
        if retrained.outcome == "yes"
        else f" (chance alone does as much for the order in {cases} cases)"
    )
    if retrained.accuracies:
        right = compared_shares(*retrained.accuracies)
        clause += f"; they are right in {right[0]}, and in {right[1]}"
    return f"{conclusion}: {clause}."

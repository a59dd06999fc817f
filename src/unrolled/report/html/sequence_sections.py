"""Sections of the classification report, in the order of the page."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np

from unrolled.formatting import (
    as_sentence,
    duration,
    interval_text,
    join_words,
    number,
    p_value_text,
    percent,
)
from unrolled.report.figures.sequences import (
    candidate_label,
    class_figure,
    comparison_figure,
    confusion_figure,
)
from unrolled.report.html.forecast_sections import evenly_spaced
from unrolled.report.html.markup import (
    chart,
    definition_list,
    paragraph,
    section,
    side_by_side,
    table,
    verdict_box,
)
from unrolled.report.records import LabelledData, LabelPredictions, label_sort_key

_MOST_CLASSES = 40  # classes whose counts are worth a picture

_HEADLINES = {
    "better": "{network} beats everything simpler here.",
    "no difference": "{network} is not shown to do better than what is simpler.",
    "worse": "Something simpler does better here than {network}.",
    "too few to tell": "Too few {unit} were tested to tell whether {network} has skill.",
}
_WITH_ARTICLE = ("rnn", "gru", "lstm", "feedforward", "reservoir")  # said with an article
_TONES = {"better": "better", "worse": "worse"}


def sequences_extent(data: LabelledData) -> str:
    """Describe the amount of data.

    >>> sequences_extent(LabelledData("a.ts", [np.ones((4, 1))] * 3, np.array(["x", "y", "x"]), ["y"]))
    '3 sequences of 4 steps, 2 classes'
    """
    lengths = [len(one) for one in data.values]
    steps = _range(min(lengths), max(lengths))
    inputs = f", {len(data.columns)} inputs a step" if len(data.columns) > 1 else ""
    return f"{len(lengths):,} sequences of {steps} steps{inputs}, {len(data.classes):,} classes"


def comparison_verdict(comparison: Any) -> str:
    """Verdict box: the outcome, the network's score with its interval, the best baseline, the time."""
    network, best = comparison.rows[0], _best_baseline(comparison)
    name = candidate_label(network.name)
    network_phrase = f"the {name}" if network.name in _WITH_ARTICLE else name
    headline = as_sentence(
        _HEADLINES[comparison.outcome].format(network=network_phrase, unit=comparison.unit)
    )
    interval = interval_text(network.interval, partial(_metric_text, comparison))
    label = "Right" if comparison.task == "labels" else "Off (RMSE)"
    tiles = [
        (
            f"{label} on {comparison.unit} it never saw",
            _metric_text(comparison, _metric(comparison, network)),
            f"{comparison.level:g} % confidence interval: {interval}",
        ),
        (
            f"The best of the simpler ones, {candidate_label(best.name)}",
            _metric_text(comparison, _metric(comparison, best)),
            best.note,
        ),
        (
            "Time to learn",
            duration(network.fit_seconds),
            f"{candidate_label(best.name)} takes {duration(best.fit_seconds)}",
        ),
    ]
    return verdict_box(_TONES.get(comparison.outcome, "open"), headline, comparison.sentence, tiles)


def comparison_section(comparison: Any) -> str:
    """Section on the comparison: the network's score beside those of its baselines."""
    if comparison.folds is None:
        count = f"{comparison.n_sequences:,}"
        protocol = f"Each learned from the same {comparison.unit} and was tested on {count} others."
    else:
        protocol = (
            f"Cross-validation in {comparison.folds} folds: each fold tests models that were fitted on the "
            "others only."
        )
    caption = (
        f"The bar is the {comparison.level:g} % confidence interval; beside it stands the time of one fit. "
        "Blue is the network, orange the best of the simpler ones."
    )
    title = "How many answers are right" if comparison.task == "labels" else "How far off the answers are"
    scores = chart(comparison_figure(comparison), title, caption)
    remarks = [paragraph(as_sentence(remark), "aside") for remark in comparison.remarks]
    notes = definition_list(
        "words", [(candidate_label(row.name), f"{row.note}.") for row in comparison.rows if row.note]
    )
    return section("Can it be trusted?", protocol, [scores, _comparison_table(comparison), notes, *remarks])


_UNEVEN_HEADS = {
    "balanced_accuracy": "Balanced",
    "rare_recall": "Rarest class",
    "auc": "AUC",
    "log_loss": "Log loss",
}  # where classes are uneven


def _comparison_table(comparison: Any) -> str:
    heads = [
        "Model",
        "Right" if comparison.task == "labels" else "RMSE",
        f"{comparison.level:g} % interval",
    ]
    uneven = [name for name in _UNEVEN_HEADS if name in comparison.metrics]
    heads += [*(_UNEVEN_HEADS[name] for name in uneven), "p-value", "Fit", "Predict"]
    lines, styles = [], []
    for row in comparison.rows:
        interval = interval_text(row.interval, partial(_metric_text, comparison))
        seconds = (duration(row.fit_seconds), duration(row.predict_seconds))
        score = _metric_text(comparison, _metric(comparison, row))
        others = [number(getattr(row, name), 3) for name in uneven]
        lines.append(
            [
                candidate_label(row.name),
                score,
                interval,
                *others,
                p_value_text(row.p_value),
                *seconds,
            ]
        )
        styles.append("baseline" if row.name == comparison.best_baseline else "")
    styles[0] = "network"
    caption = (
        f"The same {comparison.unit} for all. The p-value is how often a difference from the network this "
        "large would appear if there were none."
    )
    return table(caption, heads, lines, styles)


def _best_baseline(comparison: Any) -> Any:
    return next(row for row in comparison.rows[1:] if row.name == comparison.best_baseline)


def _metric(comparison: Any, row: Any) -> float:
    return float(row.accuracy if comparison.task == "labels" else row.rmse)


def _metric_text(comparison: Any, value: float) -> str:
    return percent(value, 1) if comparison.task == "labels" else number(value, 3)


def sequences_section(data: LabelledData) -> str:
    """Section on the data: sequences of each class, drawn and counted."""
    counts = Counter(data.labels.tolist())
    channel = most_distinct_column(data)
    drawn_classes = [data.classes[k] for k in evenly_spaced(len(data.classes))]
    channel_values = [one[:, channel] for one in data.values]
    values_of_class = {
        name: [channel_values[k] for k in np.flatnonzero(data.labels == name)] for name in drawn_classes
    }
    drawn_values = [one for values in values_of_class.values() for one in values]
    value_range = (min(one.min() for one in drawn_values), max(one.max() for one in drawn_values))
    longest = max(map(len, drawn_values))
    charts = []
    for name, values in values_of_class.items():
        caption = f"{counts[name]:,} sequences; thin lines are single ones, the thick one is their mean."
        charts.append(chart(class_figure(values, value_range, longest), f"Class {name}", caption))
    many = len(data.classes) > len(drawn_classes)
    class_note = f"{len(drawn_classes)} of {len(data.classes)} classes are drawn. " if many else ""
    channel_note = (
        f"Of {len(data.columns)} inputs a step, {data.columns[channel]} is drawn, in which the classes "
        "differ most. "
        if len(data.columns) > 1
        else ""
    )
    lengths = [len(one) for one in data.values]
    lowest = min(float(one.min()) for one in data.values)
    highest = max(float(one.max()) for one in data.values)
    facts = (
        ("Sequences", f"{len(lengths):,}"),
        ("Steps in each", _range(min(lengths), max(lengths))),
        ("Inputs a step", f"{len(data.columns):,}"),
        ("Sequences of a class", _range(min(counts.values()), max(counts.values()))),
        ("Values", f"{number(lowest)} to {number(highest)}"),
    )
    notes = [paragraph(f"On reading: {as_sentence(note)}", "aside") for note in data.notes]
    return section(
        "What the data looks like",
        (class_note + channel_note).strip(),
        [definition_list("facts", facts), *notes, side_by_side(*charts)],
    )


def most_distinct_column(data: LabelledData) -> int:
    """Index of the input whose class means differ most, relative to the spread within classes."""
    steps = min(len(one) for one in data.values)
    block = np.stack([one[:steps] for one in data.values])  # (N, T, F)
    means = {name: block[data.labels == name].mean(axis=0) for name in data.classes}
    class_means = np.stack([means[name] for name in data.labels.tolist()])
    within = ((block - class_means) ** 2).mean(axis=(0, 1))
    between = ((class_means - block.mean(axis=0)) ** 2).mean(axis=(0, 1))
    return int(np.argmax(between / np.maximum(within, 1e-12)))


def confusion_section(predictions: LabelPredictions) -> str:
    """Section on the confusion matrix."""
    is_wrong = predictions.truth != predictions.predicted
    classes = predictions.classes
    if not is_wrong.any():
        words = f"All {len(is_wrong):,} answers are right."
    else:
        confusions = Counter(
            zip(predictions.truth[is_wrong].tolist(), predictions.predicted[is_wrong].tolist(), strict=True)
        )
        most_common = sorted(confusions.items(), key=lambda item: (-item[1], label_sort_key(item[0][0])))[:3]
        phrases = [f"{truth} for {predicted} ({_times(count)})" for (truth, predicted), count in most_common]
        count = int(is_wrong.sum())
        verb, often = ("is", "") if count == 1 else ("are", "most often ")
        words = f"{count:,} of {len(is_wrong):,} answers {verb} wrong; {often}it takes {join_words(phrases)}."
    matrix = ""
    if len(classes) <= _MOST_CLASSES:
        matrix = chart(
            confusion_figure(predictions.counts, classes),
            "How often each class is taken for each",
            "A row is what is true, a column what the network answers; blue is right, orange is wrong.",
        )
    return section("Which classes does it confuse?", words, [matrix])


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"

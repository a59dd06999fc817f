"""The parts of the pages on labelled sequences, in the order they are read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from unrolled.formatting import as_sentence, duration, join_words, number, percent
from unrolled.report.figures.sequences import (
    class_figure,
    comparison_figure,
    confusion_figure,
    rival_name,
)
from unrolled.report.html.forecast_sections import chosen
from unrolled.report.html.markup import chart, pair, pairs, paragraph, section, table, verdict_box
from unrolled.report.records import Answers, LabelledData, in_order

_LISTED = 40  # classes whose counts are worth a picture

_HEADLINES = {
    "better": "{network} beats everything simpler here.",
    "no difference": "{network} is not shown to do better than what is simpler.",
    "worse": "Something simpler does better here than {network}.",
    "too few to tell": "Too few sequences were judged to tell whether {network} has skill.",
}
_CELLS = ("rnn", "gru", "lstm", "feedforward", "reservoir")  # said with an article
_TONES = {"better": "better", "worse": "worse"}


def span(data: LabelledData) -> str:
    """How much data.

    >>> span(LabelledData("a.ts", [np.ones((4, 1))] * 3, np.array(["x", "y", "x"]), ["y"]))
    '3 sequences of 4 steps, 2 classes'
    """
    lengths = [len(one) for one in data.values]
    steps = _range(min(lengths), max(lengths))
    inputs = f", {len(data.columns)} inputs a step" if len(data.columns) > 1 else ""
    return f"{len(lengths):,} sequences of {steps} steps{inputs}, {len(data.classes):,} classes"


def verdict(comparison: Any) -> str:
    """The answer, large, with the three numbers that people ask for first."""
    network, best = comparison.rows[0], _best(comparison)
    name = rival_name(network.name)
    called = f"the {name}" if network.name in _CELLS else name
    headline = as_sentence(_HEADLINES[comparison.outcome].format(network=called))
    low, high = (_score(comparison, end) for end in network.interval)
    what = "Right" if comparison.task == "labels" else "Off (RMSE)"
    tiles = [
        (
            f"{what} on sequences it never saw",
            _score(comparison, _measured(comparison, network)),
            f"{comparison.level:g} times out of 100 between {low} and {high}, for others of the same kind",
        ),
        (
            f"The best of the simpler ones, {rival_name(best.name)}",
            _score(comparison, _measured(comparison, best)),
            best.note,
        ),
        (
            "Time to learn",
            duration(network.fit_seconds),
            f"{rival_name(best.name)} takes {duration(best.fit_seconds)}",
        ),
    ]
    detail = comparison.sentence
    return verdict_box(_TONES.get(comparison.outcome, "open"), headline, detail, tiles)


def trust(comparison: Any) -> str:
    """The network beside everything simpler."""
    if comparison.folds is None:
        how = f"Each learned from the same sequences and was judged on {comparison.judged:,} others."
    else:
        how = (
            f"The sequences were dealt into {comparison.folds} parts; each part was judged by models that "
            "learned from the others only."
        )
    caption = (
        f"The bar is where it lies {comparison.level:g} times out of 100; beside it the time of one fit. "
        "Blue is the network, orange the best of the simpler ones."
    )
    what = "How many answers are right" if comparison.task == "labels" else "How far off the answers are"
    drawn = chart(comparison_figure(comparison), what, caption)
    remarks = [paragraph(as_sentence(remark), "aside") for remark in comparison.remarks]
    notes = pairs("words", [(rival_name(row.name), f"{row.note}.") for row in comparison.rows if row.note])
    return section("Can it be trusted?", how, [drawn, _table(comparison), notes, *remarks])


def _table(comparison: Any) -> str:
    heads = [
        "Model",
        "Right" if comparison.task == "labels" else "RMSE",
        f"{comparison.level:g} % interval",
    ]
    heads += ["Luck alone", "Fit", "Answer"]
    lines, styles = [], []
    for row in comparison.rows:
        low, high = (_score(comparison, end) for end in row.interval)
        luck = "–" if row.p_value is None else "<0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}"
        seconds = (duration(row.fit_seconds), duration(row.predict_seconds))
        score = _score(comparison, _measured(comparison, row))
        lines.append([rival_name(row.name), score, f"{low} to {high}", luck, *seconds])
        styles.append("rival" if row.name == comparison.best_rival else "")
    styles[0] = "network"
    caption = (
        "The same sequences for all. “Luck alone” is how often a difference from the network this large "
        "would appear if there were none."
    )
    return table(caption, heads, lines, styles)


def _best(comparison: Any) -> Any:
    return next(row for row in comparison.rows[1:] if row.name == comparison.best_rival)


def _measured(comparison: Any, row: Any) -> float:
    return float(row.accuracy if comparison.task == "labels" else row.rmse)


def _score(comparison: Any, value: float) -> str:
    return percent(value, 1) if comparison.task == "labels" else number(value, 3)


def data(learned: LabelledData) -> str:
    """What the classes look like, and how many there are of each."""
    counts = Counter(learned.labels.tolist())
    channel = telling_column(learned)
    shown = [learned.classes[k] for k in chosen(len(learned.classes))]
    picked = [one[:, channel] for one in learned.values]
    drawn = {name: [picked[k] for k in np.flatnonzero(learned.labels == name)] for name in shown}
    every = [one for mine in drawn.values() for one in mine]
    heights = (min(one.min() for one in every), max(one.max() for one in every))
    longest = max(map(len, every))
    charts = []
    for name, mine in drawn.items():
        caption = f"{counts[name]:,} sequences; thin lines are single ones, the thick one is their mean."
        charts.append(chart(class_figure(mine, heights, longest), f"Class {name}", caption))
    many = len(learned.classes) > len(shown)
    some = f"{len(shown)} of {len(learned.classes)} classes are drawn. " if many else ""
    which = (
        f"Of {len(learned.columns)} inputs a step, {learned.columns[channel]} is drawn, in which the classes "
        "differ most. "
        if len(learned.columns) > 1
        else ""
    )
    lengths = [len(one) for one in learned.values]
    facts = (
        ("Sequences", f"{len(lengths):,}"),
        ("Steps in each", _range(min(lengths), max(lengths))),
        ("Inputs a step", f"{len(learned.columns):,}"),
        ("Sequences of a class", _range(min(counts.values()), max(counts.values()))),
        ("Values", f"{number(_lowest(learned), 4)} to {number(_highest(learned), 4)}"),
    )
    notes = [paragraph(f"On reading: {as_sentence(note)}", "aside") for note in learned.notes]
    return section(
        "What the data looks like", (some + which).strip(), [pairs("facts", facts), *notes, pair(*charts)]
    )


def telling_column(learned: LabelledData) -> int:
    """The input in which the classes' means differ most beside how much sequences of one class differ."""
    steps = min(len(one) for one in learned.values)
    block = np.stack([one[:steps] for one in learned.values])  # (N, T, F)
    means = {name: block[learned.labels == name].mean(axis=0) for name in learned.classes}
    own = np.stack([means[name] for name in learned.labels.tolist()])
    within = ((block - own) ** 2).mean(axis=(0, 1))
    between = ((own - block.mean(axis=0)) ** 2).mean(axis=(0, 1))
    return int(np.argmax(between / np.maximum(within, 1e-12)))


def mistakes(answers: Answers) -> str:
    """Which class is taken for which."""
    wrong = answers.truth != answers.answered
    classes = answers.classes
    if not wrong.any():
        words = f"All {len(wrong):,} answers are right."
    else:
        slips = Counter(zip(answers.truth[wrong].tolist(), answers.answered[wrong].tolist(), strict=True))
        common = sorted(slips.items(), key=lambda slip: (-slip[1], in_order(slip[0][0])))[:3]
        told = [f"{truth} for {answered} ({_times(count)})" for (truth, answered), count in common]
        count = int(wrong.sum())
        verb, often = ("is", "") if count == 1 else ("are", "most often ")
        words = f"{count:,} of {len(wrong):,} answers {verb} wrong; {often}it takes {join_words(told)}."
    drawn = ""
    if len(classes) <= _LISTED:
        drawn = chart(
            confusion_figure(answers.counts, classes),
            "How often each class is taken for each",
            "A row is what is true, a column what the network answers; blue is right, orange is wrong.",
        )
    return section("Which classes does it confuse?", words, [drawn])


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _lowest(learned: LabelledData) -> float:
    return min(float(one.min()) for one in learned.values)


def _highest(learned: LabelledData) -> float:
    return max(float(one.max()) for one in learned.values)

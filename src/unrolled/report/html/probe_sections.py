"""Sections of the probe report: for each probe a question, its sentence, its figure and its table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from unrolled.data.calendar.offsets import step_quantity
from unrolled.formatting import as_sentence, number, percent
from unrolled.report.figures.dispatch import figure
from unrolled.report.figures.memory import half_life_words
from unrolled.report.html.markup import chart, collapsible, paragraph, section, table, verdict_box
from unrolled.report.html.text_sections import tinted_texts

# of each kind: the question, the figure's title, and how to read it
_WORDS = {
    "order": (
        "Does order matter?",
        "Right answers when the steps stand in another order",
        "Blue: this network on rearranged steps.",
    ),
    "influence": (
        "Which words count?",
        "What each word adds to the log odds of the answer, in the first text",
        "Each word is hidden in turn. Blue speaks for the answer, orange against it.",
    ),
    "memory": (
        "How far back does it look?",
        "Influence of each step on the answer",
        (
            "Measured twice: by gradients, and by putting another sequence’s step in its place. The "
            "95 % are of its squares, since those add up."
        ),
    ),
    "gradients": (
        "Do its gradients survive?",
        "What is left of a gradient on its way back through time",
        (
            "What a state’s gradient becomes in those before it. In the tinted zones it is too faint to "
            "learn from, or too large. A readout of every state gives each a gradient of its own besides."
        ),
    ),
    "states": (
        "What does its state do?",
        "The hidden state of one sequence, step by step",
        (
            "Above: each row a unit, blue where it is positive, orange where negative. Middle: how much of "
            "each step is memory, not input. Below: the state’s path; grey, other sequences’."
        ),
    ),
    "length": (
        "What happens on shorter and longer sequences?",
        "Right answers at each length",
        (
            "Truncated: only the first part. Resampled: the same course, more slowly. Tinted: the 95 % "
            "confidence interval. Dotted: the length that others are compared with."
        ),
    ),
    "activations": (
        "Would another activation do better?",
        "The same training with each activation",
        (
            "Above: loss while it learned; thin lines are single seeds. Below: each dot is a seed; at ×1 "
            "gradients keep their size. Beside it the share of right answers."
        ),
    ),
    "feedforward": (
        "Does it need its recurrence?",
        "The same data, as many weights",
        "Both were trained anew and tested on held-out sequences.",
    ),
}  # fmt: skip


def probe_verdict(records: Sequence[Any], refusals: Sequence[str]) -> str:
    """Verdict box: the first two findings, and the main numbers of the probes."""
    by_kind = {record.kind: record for record in records}
    tiles = [_TILES[kind](by_kind[kind]) for kind in _TILES if kind in by_kind]
    detail = " ".join(f"Skipped: {as_sentence(why)}" for why in refusals)
    return verdict_box("open", _headline(by_kind), detail, tiles[:3])


def _headline(by_kind: dict[str, Any]) -> str:
    """State the findings on order and memory in one sentence."""
    order, memory = by_kind.get("order"), by_kind.get("memory")
    uses = {"yes": "uses the order of the steps", "no": "is not shown to gain from the order of the steps"}
    findings = []
    if order is not None and order.outcome in uses:
        findings.append(uses[order.outcome])
    if memory is not None:
        pooled = f"carries {step_quantity(memory.state_span.window, None)} in its state"
        findings.append(pooled if memory.pooled else f"looks {step_quantity(memory.window, None)} back")
    if not findings:
        return "What this network remembers."
    return f"This network {' and '.join(findings)}."


def _order_tile(order: Any) -> tuple[str, str, str]:
    rows = {row["arrangement"]: row for row in order.table}
    if order.task == "class":
        small = (
            f"of the sequences as they are; {percent(rows['shuffled']['accuracy'])} with their steps shuffled"
        )
        return "Right on", percent(rows["original"]["accuracy"]), small
    small = f"{number(rows['shuffled']['error'], 3)} with the steps shuffled"
    return "Error on the sequences as they are", number(rows["original"]["error"], 3), small


def _memory_tile(memory: Any) -> tuple[str, str, str]:
    if memory.pooled:
        back = f"{step_quantity(memory.state_span.window, None)} back"
        return (
            "95 % of what its state carries lies within",
            back,
            "its readout reads the state of every step",
        )
    return (
        "95 % of what it answers from lies within",
        f"{step_quantity(memory.window, None)} back",
        half_life_words(memory),
    )


def _gradients_tile(gradients: Any) -> tuple[str, str, str]:
    small = (
        ""
        if gradients.growth is None
        else f"a gradient changes by ×{number(gradients.growth, 3)} a step back"
    )
    return "Its gradients are", gradients.outcome, small


def _length_tile(length: Any) -> tuple[str, str, str]:
    big = {
        "holds": "it holds",
        "falls": "it does worse",
        "too few to tell": "too few to tell",
        "no skill": "nothing to lose",
    }[length.outcome]
    falls = length.falls_at
    small = (
        f"up to {step_quantity(length.rows[-1].length, None)}"
        if falls is None
        else f"at {step_quantity(falls, None)}"
    )
    return f"On more than {step_quantity(length.trained_length, None)}", big, small


_TILES = {
    "order": _order_tile,
    "memory": _memory_tile,
    "gradients": _gradients_tile,
    "length": _length_tile,
}


def probe_section(record: Any) -> str:
    """Section on one probe: the question, its answer, the figure, the numbers."""
    question, title, caption = _WORDS[record.kind]
    if getattr(record, "task", "class") == "number":
        title = title.replace("Right answers", "Error")
        caption = caption.replace("share of right answers", "error")
    if record.kind == "order" and record.retrained is not None:
        caption = f"{caption} Grey: networks like it, trained anew."
    answer = paragraph(record.sentence, "detail")
    texts = tinted_texts(record) if record.kind == "influence" and not record.per_word else ""
    drawn = chart(figure(record), title, caption)
    return section(question, "", [answer, texts, drawn, _record_table(record)])


def _record_table(record: Any) -> str:
    """Table of the record, collapsed; a long one is cut."""
    frame = record.to_frame()
    frame = frame[[name for name in frame.columns if not re.fullmatch(r".+_\d+", str(name))]]  # single units
    heads = [str(name).replace("_", " ") for name in frame.columns]
    rows = [[_cell(value) for value in row] for row in frame.head(_MOST_ROWS).itertuples(index=False)]
    cut = f" The first {_MOST_ROWS} of {len(frame):,} rows." if len(frame) > _MOST_ROWS else ""
    return collapsible("The numbers", table(f"All that was measured.{cut}", heads, rows))


_MOST_ROWS = 60  # rows of a table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else number(value, 3)  # noqa: PLR0124 (NaN)
    return str(value)

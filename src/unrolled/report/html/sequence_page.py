"""Two pages on labelled sequences: what a classifier is worth, and what a network remembers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.report.html import sequence_sections
from unrolled.report.html.forecast_sections import model
from unrolled.report.html.page import sheet, written
from unrolled.report.html.probe_sections import probe, verdict
from unrolled.report.records import Answers, LabelledData, ModelCard


def write_classification(
    path: str | Path, *, comparison: Any, data: LabelledData, answers: Answers, model_card: ModelCard
) -> Path:
    """Write what a classifier is worth, beside what is simpler, as one HTML file.

    Args:
        path: the file to make or replace.
        comparison: the network beside its rivals, a record of kind "comparison".
        data: what was learned from.
        answers: what the network answered for sequences that it never learned from.
        model_card: what was fitted.

    Returns:
        The path written to.

    Raises:
        StorageError: the file cannot be written; what stood there before still stands.
    """
    parts = [
        sequence_sections.verdict(comparison),
        sequence_sections.trust(comparison),
        sequence_sections.mistakes(answers),
        sequence_sections.data(data),
        model(model_card),
    ]
    span = sequence_sections.span(data)
    return written(path, sheet("Classification report", data.source, span, parts))


def write_probes(
    path: str | Path,
    *,
    records: Sequence[Any],
    refused: Sequence[str],
    data: LabelledData,
    model_card: ModelCard,
) -> Path:
    """Write what a network remembers as one HTML file.

    Args:
        path: the file to make or replace.
        records: what the probes found, each of its own kind.
        refused: why other probes could not be asked, a sentence each.
        data: the sequences it was asked about.
        model_card: what was fitted.

    Returns:
        The path written to.

    Raises:
        StorageError: the file cannot be written; what stood there before still stands.
    """
    parts = [
        verdict(records, refused),
        *(probe(record) for record in records),
        model(model_card),
    ]
    title = f"{model_card.facts[0][1].partition(',')[0]} on {data.source}"
    return written(path, sheet("Probe report", title, sequence_sections.span(data), parts))

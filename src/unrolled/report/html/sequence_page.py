"""Classification report and probe report, each as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.report.html import sequence_sections, text_sections
from unrolled.report.html.forecast_sections import model_section
from unrolled.report.html.page import render_page, write_page
from unrolled.report.html.probe_sections import probe_section, probe_verdict
from unrolled.report.records import LabelledData, LabelPredictions, ModelCard, TextData


def write_classification_report(
    path: str | Path,
    *,
    comparison: Any,
    data: LabelledData | TextData,
    predictions: LabelPredictions,
    model_card: ModelCard,
) -> Path:
    """Write the classification report: a classifier beside its baselines, as one HTML file.

    Args:
        path: the file to make or replace.
        comparison: the network beside its baselines, a record of kind "comparison".
        data: what was learned from.
        predictions: predicted and true classes of sequences that the network was not fitted on.
        model_card: what was fitted.

    Returns:
        The path written to.

    Raises:
        StorageError: the file cannot be written; what stood there before still stands.
    """
    if isinstance(data, TextData):
        data_section = text_sections.texts_section(data)
    else:
        data_section = sequence_sections.sequences_section(data)
    parts = [
        sequence_sections.comparison_verdict(comparison),
        sequence_sections.comparison_section(comparison),
        sequence_sections.confusion_section(predictions),
        data_section,
        model_section(model_card),
    ]
    return write_page(path, render_page("Classification report", data.source, _extent(data), parts))


def write_probe_report(
    path: str | Path,
    *,
    records: Sequence[Any],
    refusals: Sequence[str],
    data: LabelledData | TextData,
    model_card: ModelCard,
) -> Path:
    """Write the probe report: a section for each probe, as one HTML file.

    Args:
        path: the file to make or replace.
        records: of the probes, each of its kind.
        refusals: reasons why other probes did not run, a sentence each.
        data: the sequences or texts that were probed.
        model_card: what was fitted.

    Returns:
        The path written to.

    Raises:
        StorageError: the file cannot be written; what stood there before still stands.
    """
    parts = [
        probe_verdict(records, refusals),
        *(probe_section(record) for record in records),
        model_section(model_card),
    ]
    title = f"{model_card.facts[0][1].partition(',')[0]} on {data.source}"
    return write_page(path, render_page("Probe report", title, _extent(data), parts))


def _extent(data: LabelledData | TextData) -> str:
    if isinstance(data, TextData):
        return text_sections.texts_extent(data)
    return sequence_sections.sequences_extent(data)

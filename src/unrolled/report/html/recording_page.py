"""Page on one recording: what a model hears, remembers and decides, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unrolled.formatting import number, percent, quantity
from unrolled.report.figures.dispatch import figure
from unrolled.report.html.forecast_sections import model_section
from unrolled.report.html.markup import chart, section, table, verdict_box
from unrolled.report.html.page import render_page, write_page
from unrolled.report.records import ModelCard

_MOST_WORDS = 400  # in the table


def write_recording_report(path: str | Path, *, trace: Any, model_card: ModelCard) -> Path:
    """Write the page of one recording: its spectrogram, the state and the decision under each other.

    Args:
        path: the file to make or replace.
        trace: a record of kind "recording trace".
        model_card: of the model that heard it.

    Returns:
        The path written to.

    Raises:
        StorageError: the file cannot be written; what stood there before still stands.
    """
    extent = f"{number(trace.seconds, 3)} seconds of sound"
    parts = [_verdict(trace), _heard_section(trace), model_section(model_card)]
    return write_page(path, render_page("Recording", trace.name, extent, parts))


def _verdict(trace: Any) -> str:
    tiles = [("Sound", f"{number(trace.seconds, 3)} s", f"{quantity(len(trace.frames), 'frame')}")]
    if trace.written is None:
        last = trace.decisions[-1]
        tiles.append(("Probability", percent(float(last.max())), "of that class, at the end"))
        detail = "The class with the highest probability once the recording has ended."
    else:
        tiles.append(("Words", f"{len(trace.written):,}", "that were written"))
        detail = "Each output of the network at its likeliest, without a language model."
    return verdict_box("open", trace.answer or "Nothing was written.", detail, tiles)


def _heard_section(trace: Any) -> str:
    caption = (
        "Above: the power of each band, darker where it is louder. Middle: each row a unit of the state, "
        "blue where it is positive, orange where negative. Below: "
    )
    if trace.written is None:
        caption += "the probability of the likeliest classes, of the sound so far."
        return section(
            "What it heard", trace.sentence, [chart(figure(trace), "Sound, state, decision", caption)]
        )
    caption += "the probability of each character or word at each moment, and the words that were written."
    rows = [[word.text, f"{word.start_s:.2f}", f"{word.end_s:.2f}"] for word in trace.written[:_MOST_WORDS]]
    words = table("Words and when they were written", ["word", "from, s", "to, s"], rows) if rows else ""
    parts = [chart(figure(trace), "Sound, state, decision", caption), words]
    return section("What it heard", trace.sentence, parts)

"""The pages on labelled sequences: whole, escaped, the answer first."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.cli.sequence_report import label_texts, sequence_model_card
from unrolled.report.html.sequence_page import write_classification_report, write_probe_report
from unrolled.report.html.sequence_sections import confusion_section, most_distinct_column, sequences_extent
from unrolled.report.records import LabelledData, LabelPredictions

from ..conftest import EVIL  # noqa: TID252 (the tests are no package)


def _own(path: Path) -> str:
    """The page without plotly's code."""
    text = path.read_text("utf-8")
    scripts = re.findall(r"<script>.*?</script>", text, flags=re.DOTALL)
    return text.replace(max(scripts, key=len), "")


def _classification(asked: Any, path: Path, **changes: Any) -> str:
    comparison = replace(asked.comparison, **changes)
    network = comparison.columns[comparison.rows[0].name]
    answers = LabelPredictions(label_texts(comparison.columns["y"]), label_texts(network))
    return _own(
        write_classification_report(
            path,
            comparison=comparison,
            data=asked.data,
            predictions=answers,
            model_card=sequence_model_card(asked.model),
        )
    )


@pytest.mark.parametrize(
    ("outcome", "headline"),
    [
        ("better", "The GRU beats everything simpler here."),
        ("no difference", "The GRU is not shown to do better than what is simpler."),
        ("worse", "Something simpler does better here than the GRU."),
        ("too few to tell", "Too few sequences were tested to tell whether the GRU has skill."),
    ],
)
def test_each_outcome_of_a_comparison_has_its_headline(
    asked: Any, tmp_path: Path, outcome: str, headline: str
) -> None:
    """Before any figure."""
    text = _classification(asked, tmp_path / "page.html", outcome=outcome)
    assert headline in text[: text.index("<figure")]


def test_a_classification_tells_all(asked: Any, tmp_path: Path) -> None:
    """The sentence, every row, what is confused, what the data looks like, what was fitted."""
    text = _classification(asked, tmp_path / "page.html")
    for words in ("Can it be trusted?", "Which classes does it confuse?", "What the data looks like"):
        assert f"<h2>{words}</h2>" in text
    for row in asked.comparison.rows[1:]:
        assert f"{row.name[0].upper()}{row.name[1:]}" in text
    assert "On reading: Rows were sorted." in text
    assert f"{asked.model.n_parameters_:,}" in text
    assert text.count("<figure") == 1 + 1 + 2 + 1  # scores, confusion, a class each, loss
    assert text.count('role="img"') == text.count("<figure")


def test_a_class_cannot_break_out(asked: Any, tmp_path: Path) -> None:
    """The evil class appears as text and nowhere as markup, in HTML and in the charts' JSON."""
    text = _classification(asked, tmp_path / "page.html")
    assert EVIL not in text
    assert "document.title=&#x27;owned&#x27;" in text
    for spec in re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL):
        assert "<" not in spec
        assert json.loads(spec)["data"]


def test_every_probe_has_its_question_answer_figure_and_numbers(asked: Any, tmp_path: Path) -> None:
    """In the order of the page; what could not be asked is told above."""
    records = list(asked.probes.values())
    path = write_probe_report(
        tmp_path / "page.html", records=records, refusals=["states: the model has none"], data=asked.data,
        model_card=sequence_model_card(asked.model),
    )  # fmt: skip
    text = _own(path)
    assert text.count("<figure") == len(records) + 1
    assert text.count("The numbers</summary>") == len(records)
    assert "Skipped: States: the model has none." in text[: text.index("<figure")]
    assert "Grey: networks like it, trained anew." in text
    for record in records:
        answer = record.sentence.replace(" %", "\u00a0%").replace("'", "&#x27;")
        assert answer.replace("&#x27;", "’") in text.replace("&#x27;", "’")
    assert "state 0" not in text  # single units are no reading


def test_only_what_was_asked_is_told(asked: Any, tmp_path: Path) -> None:
    """One probe: one question, and a headline without the others."""
    path = write_probe_report(
        tmp_path / "page.html", records=[asked.probes["length"]], refusals=[], data=asked.data,
        model_card=sequence_model_card(asked.model),
    )  # fmt: skip
    text = _own(path)
    assert "What this network remembers." in text
    assert "Does order matter?" not in text
    assert "Skipped" not in text


def test_the_commonest_mistakes_are_named() -> None:
    """Three at most, the most frequent first; none where every answer is right."""
    truth = np.array(["a"] * 5 + ["b"] * 3 + ["c"] * 2)
    told = confusion_section(LabelPredictions(truth, np.array(["b"] * 4 + ["a", "a", "b", "b", "a", "c"])))
    assert "6 of 10 answers are wrong" in told
    assert told.index("a for b (4 times)") < told.index("b for a (once)") < told.index("c for a (once")
    assert "1 of 2 answers is wrong; it takes a for b (once)." in confusion_section(
        LabelPredictions(truth[4:6], truth[5:7])
    )
    assert "All 10 answers are right." in confusion_section(LabelPredictions(truth, truth))


def test_of_many_classes_no_picture_is_drawn() -> None:
    """Fifty rows of squares say less than the sentence."""
    names = np.array([str(k) for k in range(50)])
    assert "<figure" not in confusion_section(LabelPredictions(names, names))


def test_the_input_that_tells_classes_apart_is_drawn(asked: Any) -> None:
    """Height tells, noise does not, in whatever column it stands."""
    assert most_distinct_column(asked.data) == 0
    swapped = replace(asked.data, values=[one[:, ::-1] for one in asked.data.values])
    assert most_distinct_column(swapped) == 1


def test_how_much_data_in_a_line() -> None:
    """One length is one number; several inputs are told."""
    ones = [np.ones((k, 2)) for k in (3, 5)]
    data = LabelledData("a.csv", ones, np.array(["x", "y"]), ["a", "b"])
    assert sequences_extent(data) == "2 sequences of 3 to 5 steps, 2 inputs a step, 2 classes"

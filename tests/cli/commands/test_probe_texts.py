"""Models of texts in `unrolled probe`: read as each of them reads, asked, reported, refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.tagger import TextTagger

Run = Callable[..., Any]
TINY: dict[str, Any] = {"hidden_size": 4, "embedding_size": 4, "n_buckets": 32, "n_members": 1}
TEXTS = ["a warm film", "a dull one", "so <b>warm</b>", "dull"] * 5
LABELS = ["good", "bad"] * 10


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small models of texts on disk, by what they are."""
    folder = tmp_path_factory.mktemp("texts")
    sentences, tags = [["a", "dog", "ran"], ["a", "cat"]] * 6, [["D", "N", "V"], ["D", "N"]] * 6
    made = {
        "classifier": TextClassifier(**TINY, max_epochs=1).fit(TEXTS, LABELS),
        "tagger": TextTagger(**TINY, max_epochs=1).fit(sentences, tags),
        "writer": LanguageModel(hidden_size=4, max_epochs=1).fit("to be or not " * 40),
    }
    return {name: model.save(folder / name) for name, model in made.items()}


def probes_of(answer: Any) -> list[str]:
    """Names of the probes that ran."""
    assert answer.status == 0, answer.err
    return list(json.loads(answer.out)["probes"])


def test_a_classifier_of_texts_is_asked_which_words_count(
    unrolled: Run, saved: dict[str, Path], tmp_path: Path
) -> None:
    """All probes, and a page on which words are tinted; texts are escaped."""
    pd.DataFrame({"review": TEXTS, "mood": LABELS}).to_csv(tmp_path / "new.csv", index=False)
    answer = unrolled("probe", saved["classifier"], "new.csv", "--report", "page.html", "--json")
    assert probes_of(answer) == ["order", "memory", "gradients", "states", "length", "influence"]
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<h2>Which words count?</h2>" in page
    assert page.count('<p class="tinted">') == 12
    assert ">&lt;</span>" in page
    assert "20 texts of 1 to 3 words, 2 classes" in page


def test_without_labels_words_are_hidden_all_the_same(
    unrolled: Run, saved: dict[str, Path], tmp_path: Path
) -> None:
    """What needs labels is skipped, with the way out."""
    (tmp_path / "new.txt").write_text("a warm film\nso dull\n")
    answer = unrolled("probe", saved["classifier"], "new.txt")
    assert answer.status == 0, answer.err
    assert "influence" in answer.out
    assert "Skipped: order: new.txt: expected a label beside each text" in answer.out
    assert "--only memory,states,influence" in answer.out


def test_a_tagger_and_a_language_model_are_asked(
    unrolled: Run, saved: dict[str, Path], tmp_path: Path
) -> None:
    """Each with the file that it learns from; a page of either is written."""
    (tmp_path / "new.conll").write_text("a D\ndog N\nran V\n\na D\ncat N\n\n" * 6)
    (tmp_path / "book.txt").write_text("to be or not to be. " * 20)
    quick = ("--only", "memory,gradients,influence", "--json", "--report", "page.html")
    for model, file in (("tagger", "new.conll"), ("writer", "book.txt")):
        answer = unrolled("probe", saved[model], file, *quick)
        assert probes_of(answer) == ["memory", "gradients", "influence"]


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        ("writer", ("--retrain",), "--retrain: a language model is trained on text alone"),
        ("writer", ("--label", "x"), "--label: a LanguageModel has no use for it"),
        ("classifier", ("--time", "x"), "--time: a TextClassifier has no use for it"),
        ("classifier", ("--only", "influence", "--seed", 1), "--seed: states, length and influence draw"),
    ],
)
def test_options_without_a_meaning_are_refused(
    unrolled: Run, saved: dict[str, Path], tmp_path: Path, model: str, options: Any, sentence: str
) -> None:
    """In a sentence that names the option."""
    (tmp_path / "new.txt").write_text("to be or not\n")
    answer = unrolled("probe", saved[model], "new.txt", *options)
    assert answer.status == 2
    assert sentence in answer.err

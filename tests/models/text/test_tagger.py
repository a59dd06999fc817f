"""TextTagger tags words by what they are and by what stands beside them, and finds spans in raw texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.data.text.spans import check_tags
from unrolled.errors import ArgumentError, DataError
from unrolled.models.text.tagger import TextTagger

Tagged = tuple[list[list[str]], list[list[Any]]]

SMALL: dict[str, Any] = {
    "hidden_size": 12, "embedding_size": 16, "n_buckets": 512, "n_members": 1, "max_epochs": 12,
    "learning_rate": 1e-2,
}  # fmt: skip
_NAMES = ("Ann", "Bob", "Lena", "Tom")
_PLACES = ("Oslo", "Lima", "New York", "Cape Town")


def _sentences(count: int, seed: int = 0) -> Tagged:
    """Sentences with persons and places; "Paris" is either, by the word before it."""
    rng = np.random.default_rng(seed)
    sentences, tags = [], []
    for _ in range(count):
        person = str(rng.choice((*_NAMES, "Paris")))
        place = str(rng.choice((*_PLACES, "Paris"))).split()
        words = ["Ms", person, "flew", "to", *place, "today"]
        sentences.append(words)
        tags.append(["O", "B-PER", "O", "O", "B-LOC", *["I-LOC"] * (len(place) - 1), "O"])
    return sentences, tags


@pytest.fixture(scope="module")
def tagged() -> Tagged:
    """160 sentences and their tags."""
    return _sentences(160)


@pytest.fixture(scope="module")
def fitted(tagged: Tagged) -> TextTagger:
    """Tests must not change it."""
    return TextTagger(scheme="iob2", **SMALL).fit(*tagged)


def test_a_word_is_tagged_by_what_stands_beside_it(fitted: TextTagger) -> None:
    """The same word is a person after "Ms" and a place after "to"."""
    sentences, tags = _sentences(40, seed=1)
    assert fitted.score(sentences, tags) > 0.98
    assert fitted.score_spans(sentences, tags).f1 > 0.95
    predictions = fitted.predict(["Ms Paris flew to Paris today"])
    assert predictions[0].tolist() == ["O", "B-PER", "O", "O", "B-LOC", "O"]


def test_pairs_of_words_add_to_a_tag_in_little_memory(fitted: TextTagger, tagged: Tagged) -> None:
    """A million weights at most, on both sides of a word; of a tagger that streams on one."""
    bigrams, n_tags = fitted.networks_[0].bigrams, len(fitted.classes_)
    assert bigrams.weight.shape[1] == 2 * n_tags
    assert bigrams.weight.any()
    assert bigrams.weight.numel() <= 2**20
    one_way = TextTagger(**SMALL | {"max_epochs": 1}, bidirectional=False).fit(tagged[0][:9], tagged[1][:9])
    assert one_way.networks_[0].bigrams.weight.shape == (65_536, len(one_way.classes_))


def test_spans_are_places_in_the_raw_text(fitted: TextTagger) -> None:
    """Whatever spaces stand between the words."""
    text = "Ms Ann   flew to\nNew York today"
    spans = fitted.predict_spans([text])[0]
    assert [(text[s.start : s.end], s.label) for s in spans] == [("Ann", "PER"), ("New York", "LOC")]
    assert all(0.3 < span.probability <= 1 for span in spans)


def test_predictions_keep_to_the_scheme_whatever_the_text(fitted: TextTagger) -> None:
    """Words never seen, in any order."""
    rng = np.random.default_rng(0)
    words = ["New", "York", "Town", "Ms", "qqq", "to", "!"]
    for tags in fitted.predict([rng.choice(words, 9).tolist() for _ in range(30)]):
        check_tags(tags.tolist(), "prediction")


def test_raw_texts_and_spans_are_the_same_training_as_words_and_tags(tagged: Tagged) -> None:
    """Spans in characters become the tags of the words found there."""
    sentences, tags = tagged[0][:40], tagged[1][:40]
    texts, spans = [" ".join(words) for words in sentences], []
    quick = TextTagger(scheme="iob2", **SMALL | {"max_epochs": 1})
    for words, each in zip(sentences, tags, strict=True):
        place = " ".join(words[4 : len(words) - 1])
        text = " ".join(words)
        start = text.rindex(place)
        spans.append([(3, 3 + len(words[1]), "PER"), (start, start + len(place), "LOC")])
        assert each[1] == "B-PER"
    one, other = quick.fit(sentences, tags), TextTagger(**quick.get_params()).fit(texts, spans)
    for p, q in zip(one.predict_proba(texts), other.predict_proba(texts), strict=True):
        assert np.array_equal(p, q)


def test_words_without_a_tag_are_left_out(tagged: Tagged) -> None:
    """Of the loss and of the score."""
    sentences, tags = tagged[0][:60], [list(each) for each in tagged[1][:60]]
    for each in tags:
        each[0] = None
    model = TextTagger(**SMALL | {"max_epochs": 4}).fit(sentences, tags)
    assert model.classes_.tolist() == ["B-LOC", "B-PER", "I-LOC", "O"]
    assert 0.3 < model.score(sentences, tags) <= 1


def test_a_saved_tagger_predicts_the_same(fitted: TextTagger, tagged: Tagged, tmp_path: Path) -> None:
    """With its scheme."""
    again = TextTagger.load(fitted.save(tmp_path / "model"))
    assert again.scheme == "iob2"
    for one, other in zip(again.predict(tagged[0][:9]), fitted.predict(tagged[0][:9]), strict=True):
        assert one.tolist() == other.tolist()


WORDS = [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        ([["X", "Y"]], "TextTagger y: expected 2 lists of tags, one a sentence, got 1"),
        ([["X"], ["Y"]], "TextTagger y, sentence 0: expected 2 tags, one a word, got 1"),
        (["X", "Y"], "TextTagger y, sentence 0: expected a list of tags, one a word, got 'X'. A class for"),
        ([["X", "X"], ["X"]], "TextTagger y: expected at least two classes, got one class ('X')"),
        ([["X", 1], ["X"]], "TextTagger y: expected labels of one type"),
        (3, "TextTagger y: expected 2 lists of tags, one a sentence, got 3"),
    ],
)
def test_tags_that_do_not_fit_are_refused_by_their_sentence(y: Any, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(DataError) as fault:
        TextTagger(**SMALL).fit(WORDS, y)
    assert str(fault.value).startswith(sentence)


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        (WORDS, [["O", "I-X"], ["O"]], "TextTagger y, sentence 0, word 1: expected B-X or I-X before I-X"),
        (["ab c"], [[(1, 2, "X")]], "TextTagger y, sentence 0: expected spans of whole words, got 1 to 2"),
        (["ab c"], [[(0, 2, "X"), (0, 4, "Y")]], "TextTagger y, sentence 0: expected spans that do not over"),
    ],
)
def test_what_breaks_the_scheme_is_refused(X: Any, y: Any, sentence: str) -> None:
    """Tags by their word, spans by their place."""
    with pytest.raises(DataError) as fault:
        TextTagger(scheme="iob2", **SMALL).fit(X, y)
    assert str(fault.value).startswith(sentence)


def test_span_scores_need_a_scheme(tagged: Tagged) -> None:
    """The sentence names the other score."""
    model = TextTagger(**SMALL | {"max_epochs": 1}).fit(tagged[0][:20], tagged[1][:20])
    with pytest.raises(ArgumentError, match=r"scheme: expected 'iob2', to score spans, got None. Use score"):
        model.score_spans(*tagged)
    assert len(model.predict_spans(["to Oslo"])[0]) == 2

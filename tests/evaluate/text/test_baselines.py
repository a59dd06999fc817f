"""Simple models of texts and tags."""

import numpy as np
import pytest

from unrolled.evaluate.text.baselines import MostFrequentTag, TfidfLogistic, TokenLogistic, token_features

TEXTS = ["warm and funny", "a funny film", "so warm", "dull and long", "a dull film", "so long"] * 3
LABELS = np.array((["good"] * 3 + ["bad"] * 3) * 3)


@pytest.mark.parametrize("characters", [False, True])
def test_words_decide_and_lists_of_words_are_texts_too(characters: bool) -> None:
    """The same probabilities in both forms, in the order of the classes."""
    model = TfidfLogistic(characters=characters).fit(TEXTS, LABELS)
    assert model.predict(["warm film", "dull"]).tolist() == ["good", "bad"]
    split = model.predict_proba([text.split() for text in TEXTS])
    assert np.array_equal(split, model.predict_proba(TEXTS))
    assert model.classes_.tolist() == ["bad", "good"]


def test_characters_read_words_never_seen() -> None:
    """Words alone do not."""
    misspelt = ["funnny warmm"]
    even = TfidfLogistic().fit(TEXTS, LABELS).predict_proba(misspelt)
    assert even[0] == pytest.approx([0.5, 0.5], abs=0.01)
    assert TfidfLogistic(characters=True).fit(TEXTS, LABELS).predict_proba(misspelt)[0, 1] > 0.6


def test_a_word_has_its_most_frequent_tag() -> None:
    """A word never seen that of the words which occur once."""
    X = [["run", "run", "run", "dog", "cat"], ["the", "the"]]
    y = [["VERB", "NOUN", "VERB", "NOUN", "NOUN"], ["DET", None]]
    predictions = MostFrequentTag().fit(X, y).predict([["run", "the"], ["horse"]])
    assert [tags.tolist() for tags in predictions] == [["VERB", "DET"], ["NOUN"]]


def test_the_regression_reads_neighbours_and_affixes() -> None:
    """One word with two tags, by the word before it; a word never seen by its ending."""
    X = [["to", "walk"], ["a", "walk"], ["he", "walked"], ["he", "jumped"], ["a", "dog"]] * 5
    y = [["P", "VERB"], ["DET", "NOUN"], ["PRON", "VERB"], ["PRON", "VERB"], ["DET", "NOUN"]] * 5
    model = TokenLogistic().fit(X, y)
    predictions = model.predict([["to", "walk"], ["a", "walk"], ["he", "laughed"]])
    assert [tags.tolist()[-1] for tags in predictions] == ["VERB", "NOUN", "VERB"]


def test_features_of_a_word_are_its_own_and_of_two_to_either_side() -> None:
    """Ends of a sentence are features too."""
    first, second = token_features(["Ann", "r2d2"])
    assert {"w=Ann", "l=ann", "h=Xx", "p=a", "s=nn", "-1=<", "1=r2d2", "2=>"} <= set(first)
    assert {"h=xdxd", "-1=ann", "-1s=ann", "b=ann r2d2"} <= set(second)

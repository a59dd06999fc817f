"""Translator learns words and their order, writes what it was never given, and saves itself as data."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags

from unrolled.errors import ArgumentError, DataError, NotFittedError
from unrolled.models.text.translation.translator import Translator

Pairs = tuple[list[str], list[str]]
QUICK: dict[str, Any] = {
    "unit": "word", "hidden_size": 8, "embedding_size": 8, "encoder_layers": 1, "max_epochs": 2,
}  # fmt: skip


def test_words_and_their_order_are_learned(fitted: Translator, unseen_pairs: Pairs) -> None:
    """On sentences that were not learned from, by a beam and greedily."""
    sources, targets = unseen_pairs
    for beam in (1, 5):
        answers = fitted.predict(sources, beam=beam)
        assert np.mean([one == other for one, other in zip(answers, targets, strict=True)]) > 0.9


def test_attention_stands_on_the_words_that_are_translated(fitted: Translator) -> None:
    """The record draws itself, and takes a translation of the user's."""
    alignment = fitted.align("weil Hund Katze sieht")
    assert alignment.source == ("weil", "Hund", "Katze", "sieht")
    assert alignment.translation == "because dog sees cat."
    assert alignment.target == ("because", "dog", "sees", "cat", ".")
    assert np.allclose(alignment.weights.sum(1), 1)
    assert len(alignment.plot().data) == 1
    assert fitted.align("weil Hund Katze sieht", "cat sees").target == ("cat", "sees")


def test_several_translations_come_with_their_scores(fitted: Translator) -> None:
    """The best first, which is that of predict."""
    (several,) = fitted.predict_several(["weil Hund Katze sieht"], 3)
    assert len(several) == 3
    assert several[0].text == fitted.predict(["weil Hund Katze sieht"])[0]
    assert several[0].score > several[1].score > several[2].score


def test_a_limit_of_length_is_kept(fitted: Translator) -> None:
    """In tokens."""
    assert fitted.predict(["weil Hund Katze sieht"], max_length=2) == ["because dog"]


def test_words_never_seen_are_read_as_unknown(fitted: Translator) -> None:
    """Whatever script; something is written all the same."""
    (answer,) = fitted.predict(["weil Zebra 日本 sieht"])
    assert answer
    assert set(answer.rstrip(".").split()) <= {token.strip() for token in fitted.codec_.vocabulary.tokens}


def test_a_very_long_source_is_translated(fitted: Translator) -> None:
    """Of two thousand words."""
    (answer,) = fitted.predict([" ".join(["Hund"] * 2000)], beam=2, max_length=20)
    assert len(answer.split()) <= 20


def test_a_saved_translator_translates_the_same(fitted: Translator, tmp_path: Path) -> None:
    """With its vocabulary; the folder holds data and a card alone."""
    folder = fitted.save(tmp_path / "model")
    again = Translator.load(folder)
    texts = ["weil Frau Kind ruft", "weil Mann Pferd kennt", "sieht"]
    assert again.predict(texts) == fitted.predict(texts)
    assert again.codec_.vocabulary.tokens == fitted.codec_.vocabulary.tokens
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors", ".md"}
    facts = {fact.name: fact.text for fact in again.summary()}
    assert facts["Decoder"] == "GRU, 2 layers of 48 units, general attention"
    assert facts["Pairs"] == "200"


@pytest.mark.parametrize("unit", ["subword", "char"])
def test_other_units_are_trained_and_saved(unit: str, pairs: Pairs, tmp_path: Path) -> None:
    """Every text is made of them."""
    if unit == "subword":
        pytest.importorskip("tokenizers", reason="subwords are learned by it")
    model = Translator(**QUICK | {"unit": unit, "max_epochs": 1, "cell": "lstm"}).fit(*pairs)
    texts = ["weil Hund Katze sieht", "qqq"]
    assert Translator.load(model.save(tmp_path / "model")).predict(texts) == model.predict(texts)


def test_a_seed_repeats_a_training(pairs: Pairs) -> None:
    """And another one does not; a clone is fitted alike."""
    model = Translator(**QUICK).fit(*pairs)
    again = clone(model).fit(*pairs)
    assert get_tags(model).input_tags.string
    other = Translator(**QUICK, random_state=1).fit(*pairs)
    losses = [m.history_.records[-1].train_loss for m in (model, again, other)]
    assert losses[0] == losses[1] != losses[2]


def test_a_training_is_resumed_from_its_checkpoint(pairs: Pairs, tmp_path: Path) -> None:
    """Ended by an error after the first epoch, it ends as if nothing had been."""
    whole = Translator(**QUICK).fit(*pairs)

    def fail(record: dict[str, Any]) -> None:
        raise OSError("the power fails")

    with pytest.raises(OSError, match="power"):
        Translator(**QUICK).fit(*pairs, checkpoint=tmp_path / "c", callbacks=[fail])
    seen: list[int] = []
    resumed = Translator(**QUICK).fit(
        *pairs, checkpoint=tmp_path / "c", callbacks=[lambda record: seen.append(record["step"])]
    )
    assert len(seen) == 1
    for name, tensor in whole.networks_[0].state_dict().items():
        assert np.array_equal(tensor, resumed.networks_[0].state_dict()[name]), name


def test_ctrl_c_keeps_what_was_learned(pairs: Pairs, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so."""

    def interrupt(record: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    model = Translator(**QUICK).fit(*pairs, callbacks=[interrupt])
    assert model.history_.stopped == "interrupted"
    assert "the model has the best weights so far" in capsys.readouterr().err
    assert len(model.predict(pairs[0][:3])) == 3


def test_scores_are_those_of_sacrebleu(fitted: Translator, unseen_pairs: Pairs) -> None:
    """BLEU of a beam of five; both scores with their signatures."""
    sacrebleu = pytest.importorskip("sacrebleu", reason="BLEU is computed by it")
    sources, targets = unseen_pairs
    expected = sacrebleu.corpus_bleu(fitted.predict(sources), [targets]).score
    assert fitted.score(sources, targets) == pytest.approx(expected)
    scores = fitted.score_texts(sources, targets, beam=1)
    assert scores.n_texts == len(sources)
    assert "tok:13a" in scores.sentence


def test_validation_pairs_choose_the_epoch(pairs: Pairs) -> None:
    """Their words are not learned from."""
    sources, targets = (
        [*pairs[0], "weil Einhorn Hund sieht"] * 3,
        [*pairs[1], "because unicorn sees dog."] * 3,
    )
    model = Translator(**QUICK, validation_fraction=0.2, patience=2).fit(sources, targets)
    assert "held-out" in model.stopping_reason_


def test_very_long_pairs_are_left_out_with_a_warning(pairs: Pairs) -> None:
    """One alone among others; nothing but such is refused."""
    long = " ".join(["Hund"] * 300)
    with pytest.warns(UserWarning, match="1 of 201 pairs have more than 250 tokens"):
        model = Translator(**QUICK).fit([*pairs[0], long], [*pairs[1], "dog"])
    assert model.n_pairs_ == 200
    with pytest.raises(DataError, match="expected texts of at most 250 tokens"):
        Translator(**QUICK).fit([long], ["dog"])


def test_columns_of_a_frame_are_pairs(pairs: Pairs) -> None:
    """As lists are."""
    frame = pd.DataFrame({"de": pairs[0], "en": pairs[1]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Translator(**QUICK | {"max_epochs": 1}).fit(frame["de"], frame["en"])
    assert len(model.predict(frame[["de"]][:2])) == 2


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        (["a", ""], ["b", "c"], "Translator X, position 1: expected a text, got an empty one"),
        (["a", None], ["b", "c"], "Translator X, position 1: expected a text, got None"),
        (["a", "b"], pd.Series(["c", np.nan]), "Translator y, position 1: expected a text, got NaN"),
        (["a", "b"], ["c"], "Translator y: expected 2 texts, as many as X has, got 1"),
        (3, ["c"], "Translator X: expected a list of texts, got int"),
    ],
)
def test_texts_that_cannot_be_learned_from_are_refused(X: Any, y: Any, sentence: str) -> None:
    """One sentence each, with the position."""
    with pytest.raises(DataError, match=sentence):
        Translator(**QUICK).fit(X, y)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"unit": "words"}, "unit: expected one of subword, word, char; got 'words'. Did you mean 'word'"),
        ({"vocabulary": 0}, "vocabulary: expected a whole number"),
        ({"vocabulary": "6000"}, "vocabulary: expected a whole number"),
        ({"attention": "dott"}, "attention: expected one of general, dot"),
        (
            {"attention": "dot", "hidden_size": 7},
            "hidden_size: expected an even number beside attention='dot'",
        ),
        ({"cell": "mgu"}, "cell: expected one of gru, lstm, rnn"),
        ({"dropout": 1.0}, "dropout: expected a number at least 0 and below 1"),
        ({"patience": 3}, "patience"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, Any], sentence: str, pairs: Pairs) -> None:
    """Before anything is trained."""
    with pytest.raises(ArgumentError, match=sentence):
        Translator(**QUICK | change).fit(*pairs)


def test_a_vocabulary_beyond_the_text_is_refused_by_fit(pairs: Pairs) -> None:
    """With the number that there is."""
    with pytest.raises(
        DataError, match=r"vocabulary: expected at most \d+ words, as many as the training text"
    ):
        Translator(**QUICK, vocabulary=6000).fit(*pairs)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"beam": 0}, "beam: expected a whole number from 1 to 1000, got 0"),
        ({"beam": 2.5}, "beam: expected a whole number"),
        ({"max_length": 0}, "max_length: expected a whole number at least 1"),
        ({"length_penalty": -1}, "length_penalty: expected a number at least 0"),
    ],
)
def test_searches_that_cannot_be_are_refused(
    options: dict[str, Any], sentence: str, fitted: Translator
) -> None:
    """By their argument."""
    with pytest.raises(ArgumentError, match=sentence):
        fitted.predict(["weil Hund"], **options)
    with pytest.raises(ArgumentError, match="beam: expected a whole number at least 3, got 2"):
        fitted.predict_several(["weil Hund"], 3, beam=2)


def test_nothing_is_translated_before_a_fit() -> None:
    """Nor are empty texts after it."""
    for call in (Translator().predict, Translator().predict_several, Translator().align):
        with pytest.raises(NotFittedError, match=r"Call fit\(source_texts, target_texts\) first"):
            call(["a"])


def test_empty_texts_are_not_translated(fitted: Translator) -> None:
    """Their position is named."""
    with pytest.raises(DataError, match="Translator X, position 1: expected a text, got an empty one"):
        fitted.predict(["weil", ""])
    with pytest.raises(DataError, match=r"Translator.align text, position 0: expected a text, got None"):
        fitted.align(None)  # type: ignore[arg-type]


@pytest.mark.slow
def test_defaults_learn_from_two_hundred_pairs(pairs: Pairs, unseen_pairs: Pairs) -> None:
    """Words and their order, in a minute."""
    pytest.importorskip("tokenizers", reason="the default unit is subwords")
    sources, targets = unseen_pairs
    answers = Translator().fit(*pairs).predict(sources)
    assert np.mean([one == other for one, other in zip(answers, targets, strict=True)]) > 0.9

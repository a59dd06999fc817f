"""Scores: every token costs -log p, unknown ones their spelling too, whatever the way the text is read."""

import math

import numpy as np
import pytest

from unrolled.models.text.language import evaluation
from unrolled.models.text.language.evaluation import LanguageScore, document_costs, language_score
from unrolled.models.text.language.language_model import LanguageModel


def test_costs_are_those_of_the_distributions(model: LanguageModel, unseen: str) -> None:
    """One pass in windows equals step by step, unknown characters with their spelling."""
    text = unseen[:300] + "Ωx"
    (cost,) = model.costs(text)
    encoded = model.codec_.encode(text)
    before = np.concatenate([model.stream().peek()[None], model.predict_proba(text)[:-1]])
    p = before[np.arange(len(encoded.positions)), encoded.positions]
    assert cost.nats == pytest.approx(-np.log(p) + encoded.spelling_nats, abs=1e-5)
    assert encoded.unknown[0] == "Ω"
    assert encoded.spelling_nats[300] > math.log(1e6)


def test_a_score_does_not_depend_on_the_windows(
    model: LanguageModel, unseen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is carried from one to the next."""
    whole = model.costs(unseen)[0].nats
    monkeypatch.setattr(evaluation, "_STEPS_A_CALL", 37)
    assert model.costs(unseen)[0].nats == pytest.approx(whole, abs=1e-5)


def test_documents_cost_the_same_alone_and_together(
    documents_model: LanguageModel, unseen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order given; each begins from zeros, and its end is counted."""
    documents = [f"{part}." for part in unseen.split(".") if part][:9]
    monkeypatch.setattr(evaluation, "_MOST_STREAMS", 4)
    together = documents_model.costs(documents)
    for document, cost in zip(documents, together, strict=True):
        (alone,) = documents_model.costs([document])
        assert cost.nats == pytest.approx(alone.nats, abs=1e-5)
        assert len(cost.nats) == len(document) + 1 == cost.n_characters
    score = language_score(together)
    assert score.n_documents == 9
    assert score.n_characters == sum(map(len, documents)) + 9
    assert score.nats == pytest.approx(sum(cost.nats.sum() for cost in together))


@pytest.mark.parametrize("unit", ["word", 260])
def test_bits_a_character_are_those_of_a_lossless_code(unit: str | int, text: str, unseen: str) -> None:
    """Of every unit: characters of the text are counted, and its probabilities sum to one at every step."""
    if unit != "word":
        pytest.importorskip("tokenizers", reason="the extra text is not installed")
    model = LanguageModel(unit=unit, hidden_size=8, max_epochs=2).fit(text)
    score = model.evaluate(unseen)
    assert score.n_characters == len(unseen)
    assert score.n_tokens < len(unseen)
    assert score.bits_per_character == pytest.approx(score.nats / len(unseen) / math.log(2))
    assert model.predict_proba(unseen[:50]).sum(1) == pytest.approx(1)
    assert model.score(unseen) == -score.nats_per_character


def test_a_score_says_what_it_is() -> None:
    """Bits, nats, the share of unknown tokens; as a sentence and for JSON."""
    score = LanguageScore(
        nats=200.0, n_characters=100, n_tokens=50, n_documents=1, n_unknown=5, spelling_nats=9.0
    )
    assert score.perplexity == pytest.approx(math.exp(4))
    assert score.sentence == (
        "The model spends 2.885 bits (2 nats) a character on 100 characters; 10 % of the tokens are not in "
        "its vocabulary and are spelled."
    )
    record = score.to_dict()
    assert record["bits_per_character"] == pytest.approx(2 / math.log(2))
    assert record["sentence"] == score.sentence


def test_an_unknown_text_costs_more_than_a_known_one(model: LanguageModel, unseen: str) -> None:
    """A text in an alphabet that the model has never seen: finite, and more than 15 bits a character."""
    assert model.evaluate("Съешь ещё этих мягких").bits_per_character > 15
    assert math.isfinite(model.evaluate("Съешь ещё").nats)
    assert model.evaluate(unseen).n_unknown == 0


def test_costs_of_no_ends_leave_them_out(model: LanguageModel) -> None:
    """A model of a running text knows no ends: documents are its characters alone."""
    costs = document_costs(model.networks_[0], model.codec_, ["the cat", "a"], has_ends=False)
    assert [len(cost.nats) for cost in costs] == [7, 1]

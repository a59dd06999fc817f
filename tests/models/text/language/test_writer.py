"""TextWriter: prompts are read, warned of and refused; distributions are of the tokens that it names."""

import pytest

from unrolled.errors import DataError, DataTypeError
from unrolled.models.text.language.language_model import LanguageModel


def test_unknown_characters_of_a_prompt_are_warned_of(model: LanguageModel) -> None:
    """They are read as unknown, and never written."""
    with pytest.warns(UserWarning, match="prompt: 'Ω' not in the vocabulary, read as unknown"):
        text = model.generate("the Ω", 100, temperature=3.0, random_state=0)
    assert "\ufffd" not in text
    assert len(text) == 100


def test_the_first_word_of_a_prompt_is_known_by_its_form_after_a_space(text: str) -> None:
    """A text of words has most of them behind a space: a prompt does not begin with an unknown one."""
    model = LanguageModel(unit="word", hidden_size=4, max_epochs=1).fit(text)
    assert "lazy" not in model.tokens_
    assert model.generate("lazy", 5, top_k=1) == model.generate(" lazy", 5, top_k=1)
    assert model.generate("", 5, top_k=1) == model.generate(n=5, top_k=1)  # no first word at all


@pytest.mark.parametrize("prompt", [None, 3, b"the", ["the"]])
def test_a_prompt_is_a_string(model: LanguageModel, prompt: object) -> None:
    """For both ways to write on."""
    for call in (model.generate, model.complete):
        with pytest.raises(DataTypeError, match="prompt: expected a string, got"):
            call(prompt)


def test_tokens_name_the_distributions(model: LanguageModel, text: str) -> None:
    """Unknown, end, then the characters of the text; rows sum to one."""
    assert model.tokens_[:2] == ("\ufffd", "")
    p = model.predict_proba("the cat")
    assert p.shape == (7, len(model.tokens_))
    assert p.sum(1) == pytest.approx(1)
    assert model.tokens_[p[-2].argmax()] == "t"


@pytest.mark.parametrize("given", ["", None, 3])
def test_distributions_want_a_text(model: LanguageModel, given: object) -> None:
    """One sentence."""
    with pytest.raises(DataError, match="LanguageModel text: expected"):
        model.predict_proba(given)

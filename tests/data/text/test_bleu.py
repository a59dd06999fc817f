"""BLEU of sums of sentences is that of sacrebleu, whatever the sentences."""

import sys

import numpy as np
import pytest

from unrolled.data.text.bleu import bleu_statistics, corpus_bleu, translation_scores
from unrolled.errors import MissingDependencyError

WORDS = ["a", "dog", "runs", "in", "the", "park", ",", "quickly", "."]


def _corpus(n: int, seed: int) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    references = [" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(n)]
    translations = [
        " ".join(word for word in text.split() if rng.random() < 0.8) or "dog" for text in references
    ]
    return translations, references


@pytest.mark.parametrize("seed", range(6))
def test_bleu_of_sums_equals_sacrebleu(seed: int) -> None:
    """Of some sentences, with and without matches of every order."""
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is what it must agree with")
    translations, references = _corpus((1, 2, 5, 40, 3, 200)[seed], seed)
    expected = sacrebleu.corpus_bleu(translations, [references]).score
    assert corpus_bleu(bleu_statistics(translations, references).sum(0)) == pytest.approx(expected, abs=1e-9)
    assert translation_scores(translations, references).bleu == pytest.approx(expected)


def test_orders_without_a_match_are_smoothed() -> None:
    """As sacrebleu does, and 0 where no word is right or a text is too short for four."""
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is what it must agree with")
    for one, other in [
        ("a dog runs by a cat", "a dog is on the mat"),
        ("x y z w", "a b c d"),
        ("a b", "a b"),
    ]:
        expected = sacrebleu.corpus_bleu([one], [[other]]).score
        assert corpus_bleu(bleu_statistics([one], [other]).sum(0)) == pytest.approx(expected, abs=1e-9)


def test_the_signature_says_how_it_was_computed() -> None:
    """Figures without it are not comparable."""
    pytest.importorskip("sacrebleu", reason="BLEU is computed by it")
    scores = translation_scores(["a dog runs"], ["a dog sleeps"])
    assert scores.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert scores.signature in str(scores)
    assert 0 < scores.chrf < 100


def test_without_sacrebleu_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """That installs it."""
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "unrolled\[text\]"'):
        translation_scores(["a"], ["a"])

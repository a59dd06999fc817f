"""Simple translations: the source, its words, the nearest sentence."""

import numpy as np
import pytest

from unrolled.evaluate.text import translation_baselines
from unrolled.evaluate.text.translation_baselines import (
    TRANSLATION_BASELINES,
    CopySource,
    NearestSentence,
    WordByWord,
)

GERMAN = [
    "ein Hund rennt.",
    "eine Katze rennt.",
    "ein Hund schläft.",
    "eine Katze schläft.",
    "ein Mann!",
    "eine Frau!",
]
ENGLISH = ["a dog runs.", "a cat runs.", "a dog sleeps.", "a cat sleeps.", "a man!", "a woman!"]


def _lexicon_by_loops(sources: list[list[str]], targets: list[list[str]], rounds: int) -> dict[str, str]:
    """IBM model 1 written from its definition."""
    p: dict[tuple[str, str], float] = {(s, t): 1.0 for ss, ts in zip(sources, targets, strict=True)
                                       for s in ss for t in ts}  # fmt: skip
    for _ in range(rounds):
        counts = dict.fromkeys(p, 0.0)
        for ss, ts in zip(sources, targets, strict=True):
            for t in ts:
                whole = sum(p[s, t] for s in ss)
                for s in ss:
                    counts[s, t] += p[s, t] / whole
        totals: dict[str, float] = {}
        for (s, _), count in counts.items():
            totals[s] = totals.get(s, 0.0) + count
        p = {(s, t): count / totals[s] for (s, t), count in counts.items()}
    words = {s for s, _ in p}
    return {s: max((t for w, t in p if w == s), key=lambda t: p[s, t]) for s in words}


@pytest.mark.parametrize("at_once", [1, 10, 1 << 22])
def test_the_lexicon_is_that_of_the_definition(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any number of chunks."""
    monkeypatch.setattr(translation_baselines, "_PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(9)]
    sources = [list(rng.choice(words, rng.integers(1, 6))) for _ in range(60)]
    targets = [[w.upper() for w in rng.permutation(row)] + list(rng.choice(["X", "Y"], 1)) for row in sources]
    model = WordByWord().fit([" ".join(row) for row in sources], [" ".join(row) for row in targets])
    expected = _lexicon_by_loops([["", *row] for row in sources], targets, translation_baselines._ROUNDS)
    learned = {s.strip(): t.strip() for s, t in model.translation_of_.items()}
    assert learned == {s: t for s, t in expected.items() if s}


def test_words_are_translated_where_they_stand() -> None:
    """With the signs between them; words never seen stay."""
    model = WordByWord().fit(GERMAN, ENGLISH)
    assert model.predict(["eine Katze schläft!", "ein Zebra rennt."]) == ["a cat sleeps!", "a Zebra runs."]


def test_the_nearest_source_brings_its_translation() -> None:
    """Whatever the case of its letters; something for a text without a word in common, too."""
    model = NearestSentence().fit(GERMAN, ENGLISH)
    assert model.predict(["Die Katze schläft."]) == ["a cat sleeps."]
    assert model.predict(["日本"])[0] in ENGLISH
    assert len(model.predict(GERMAN * 300)) == 1800


def test_a_copy_is_the_source() -> None:
    """As it is."""
    assert CopySource().fit(GERMAN, ENGLISH).predict(["ein  Hund"]) == ["ein  Hund"]


@pytest.mark.parametrize("name", TRANSLATION_BASELINES)
def test_one_pair_is_enough(name: str) -> None:
    """For every baseline."""
    assert TRANSLATION_BASELINES[name]().fit(["ein Hund"], ["a dog"]).predict(["ein"])

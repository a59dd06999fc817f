"""Beam search finds the likeliest texts of any decoder, and each source as if it were alone."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled.models.text.translation.search import Hypothesis, beam_search

V, END = 4, 3


class TableDecoder:
    """Decoder whose probabilities depend on source, step and the newest token."""

    def __init__(self, seeds: list[int], beam: int, steps: int = 6) -> None:
        tables = [np.random.default_rng(seed).normal(size=(steps, V, V)) * 2 for seed in seeds]
        self.tables = torch.tensor(np.array(tables)).log_softmax(-1)  # (N, steps, V, V)
        self.place, self.beam = 0, beam

    def step(self, tokens: Tensor) -> Tensor:
        log_p = self.tables[torch.arange(len(tokens))[:, None], self.place, tokens]
        self.place += 1
        return log_p.float()

    def select(self, sources: Tensor, hypotheses: Tensor) -> None:
        assert hypotheses.shape == (len(sources), self.beam)
        self.tables = self.tables[sources]


def _best(seed: int, most: int, penalty: float) -> tuple[tuple[int, ...], float]:
    """Every text of at most so many tokens, one by one."""
    table = TableDecoder([seed], 1).tables[0]
    found = {}
    for length in range(most + 1):
        for text in itertools.product(range(END), repeat=length):
            steps = zip((END, *text), (*text, END), strict=True)
            chosen = [float(table[t, a, b]) for t, (a, b) in enumerate(steps)]
            found[text] = sum(chosen) / (length + 1) ** penalty
    best = max(found, key=lambda text: found[text])
    return best, found[best]


def _search(seeds: list[int], beam: int, most: int = 4, penalty: float = 1.0) -> list[list[Hypothesis]]:
    limits = torch.full((len(seeds),), most)
    return beam_search(TableDecoder(seeds, beam), limits, beam=beam, end=END, length_penalty=penalty)


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_best_of_all_texts(seed: int) -> None:
    """The sum of log probabilities, no text passed over."""
    expected, score = _best(seed, 4, 0.0)
    best = _search([seed], beam=200, penalty=0.0)[0][0]
    assert best.tokens == expected
    assert best.score == pytest.approx(score, abs=1e-5)
    assert best.log_probability == pytest.approx(score, abs=1e-5)


def test_one_hypothesis_is_greedy() -> None:
    """The likeliest token each time."""
    for seed in range(6):
        table, text, token = TableDecoder([seed], 1).tables[0], [], END
        for step in range(5):
            token = int(table[step, token].argmax()) if step < 4 else END
            if token == END:
                break
            text.append(token)
        assert _search([seed], beam=1)[0][0].tokens == tuple(text)


def test_a_source_is_searched_as_if_alone() -> None:
    """Whichever others end before or after it."""
    seeds = [5, 0, 3, 8, 1]
    together = _search(seeds, beam=3)
    for seed, each in zip(seeds, together, strict=True):
        assert each == _search([seed], beam=3)[0]


def test_hypotheses_are_distinct_and_the_best_comes_first() -> None:
    """At most as many as the beam, none longer than allowed."""
    for each in _search(list(range(10)), beam=4, most=3):
        scores = [hypothesis.score for hypothesis in each]
        assert 1 <= len(each) <= 4
        assert scores == sorted(scores, reverse=True)
        assert len({hypothesis.tokens for hypothesis in each}) == len(each)
        assert all(len(hypothesis.tokens) <= 3 for hypothesis in each)
        assert all(math.isfinite(score) for score in scores)


def test_the_length_penalty_lengthens_texts() -> None:
    """Sums favour the short, means do not."""
    lengths = {
        penalty: sum(len(each[0].tokens) for each in _search(list(range(30)), beam=50, penalty=penalty))
        for penalty in (0.0, 1.0)
    }
    assert lengths[0.0] < lengths[1.0]


def test_each_source_has_a_limit_of_its_own() -> None:
    """Of one token and of four."""
    limits = torch.tensor([1, 4])
    found = beam_search(TableDecoder([7, 7], 2), limits, beam=2, end=END)
    assert all(len(hypothesis.tokens) <= 1 for hypothesis in found[0])
    assert max(len(hypothesis.tokens) for hypothesis in found[1]) > 1

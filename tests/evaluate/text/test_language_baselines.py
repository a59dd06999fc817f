"""Witten-Bell n-grams equal a slow loop and sum to one; gzip's blocks sum to its size; blocks are even."""

import math
import zlib
from collections import Counter, defaultdict

import numpy as np
import pytest

from unrolled.data.text.language.codec import CODE_POINTS
from unrolled.evaluate.text.language_baselines import ORDERS, GzipCode, WittenBell, split_evenly

TEXT = "abracadabra, abracadabra: a bad cab. "


def _slow_probability(text: str, history: str, symbol: str, order: int) -> float:
    """The formula; a symbol of its own begins every text."""
    symbols = "\0" + text
    followers: dict[str, Counter[str]] = defaultdict(Counter)
    for k in range(order):
        for i in range(k, len(symbols)):
            followers[symbols[i - k : i]][symbols[i]] += 1
    p = 1 / (CODE_POINTS + 1)
    for k in range(min(order, len(history) + 1)):
        counts = followers.get(history[len(history) - k :], Counter())
        if counts:
            p = (counts[symbol] + len(counts) * p) / (counts.total() + len(counts))
    return p


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_witten_bell_equals_a_slow_loop(order: int) -> None:
    """Of known and unknown contexts and characters."""
    model = WittenBell(order).fit([TEXT], are_documents=False)
    tested = "cadab, xab: abrac"
    expected = [
        -math.log(_slow_probability(TEXT, "\0" + tested[:k], symbol, order))
        for k, symbol in enumerate(tested)
    ]
    assert model.block_nats([tested], len(tested))[0] == pytest.approx(expected)


@pytest.mark.parametrize("history", ["", "a", "ab", "zab", "abr"])
def test_probabilities_sum_to_one(history: str) -> None:
    """Over the characters of the text, the end, and all of Unicode besides."""
    model = WittenBell(4).fit(["abra", "cadab"], are_documents=True)

    def p(symbol: str) -> float:
        cost = model.block_nats([history + symbol], len(history + symbol) + 1)[0]
        return math.exp(-cost[len(history)])

    total = sum(map(p, "abrcd")) + p("") + (CODE_POINTS - 5) * p("z")
    assert total == pytest.approx(1)


def test_the_order_is_chosen_on_the_last_tenth() -> None:
    """Words that come again want long contexts, noise the shortest."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), size=6)) for _ in range(40)]
    text = " ".join(rng.choice(words, size=2000))
    assert WittenBell().fit([text], are_documents=False).order_ > ORDERS[1]
    noise = "".join(rng.choice(list("abcdefgh"), size=4000))
    assert WittenBell().fit([noise], are_documents=False).order_ == ORDERS[0]
    assert WittenBell().fit(["ab"], are_documents=False).order_ == ORDERS[0]


def test_documents_cost_the_same_in_any_company() -> None:
    """With their ends, each from its beginning."""
    model = WittenBell(3).fit(["abra", "cad"], are_documents=True)
    together = model.block_nats(["abra", "ca"], 1)
    assert together[1] == model.block_nats(["ca"], 1)[0]
    assert together.shape == (2, 1)


def test_gzip_is_that_of_zlib() -> None:
    """Bytes behind the training text, blocks of it, and documents as lines."""
    code = GzipCode().fit([TEXT * 5], are_documents=False)
    nats = code.block_nats([TEXT[::-1] * 3], 4)
    whole, training = TEXT * 5 + TEXT[::-1] * 3, TEXT * 5
    expected = len(zlib.compress(whole.encode(), 9)) - len(zlib.compress(training.encode(), 9))
    assert nats.sum() / math.log(2) / 8 == pytest.approx(expected)
    assert (nats > 0).all()
    lines = GzipCode().fit(["to be", "or not"], are_documents=True).block_nats(["to be", "né"], 1)
    assert lines.shape == (2, 1)


def test_costs_are_split_by_characters() -> None:
    """A token belongs to the block that its middle is in; nothing is lost."""
    nats, lengths = np.array([1.0, 2.0, 4.0]), np.array([3, 1, 4])
    assert split_evenly(nats, 2, lengths).tolist() == [3.0, 4.0]
    assert split_evenly(nats, 3).tolist() == [1.0, 2.0, 4.0]
    assert split_evenly(nats, 5, lengths).sum() == 7

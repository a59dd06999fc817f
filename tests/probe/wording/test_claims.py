"""Sentences of the probes against their own numbers, over a sweep of outcomes."""

import itertools
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.probe import gradients, length, memory, order, states
from unrolled.probe.activations_result import ActivationRuns, ActivationsResult
from unrolled.probe.feedforward_probe import FeedforwardResult, NetworkScore
from unrolled.probe.feedforward_probe import _sentence as feedforward_sentence
from unrolled.probe.order_result import OrderResult, RetrainResult
from unrolled.probe.wording.activations import activations_sentence
from unrolled.probe.wording.claims import checked
from unrolled.probe.wording.order import order_sentence

_SHARES = (0.0, 0.5, 0.9996, 1.0)
_LOSSES = (0.0, 0.3, 0.30001, 2.0)


def _numbers(pattern: str, sentence: str) -> list[float]:
    match = re.search(pattern, sentence)
    assert match, sentence
    return [float(group.replace(",", "")) for group in match.groups()]


@pytest.mark.parametrize("p_value", [0.005, 0.05, 0.06, 1.0])
@pytest.mark.parametrize("flipped", [0.0, 0.52])
def test_every_outcome_of_order_agrees_with_its_numbers(p_value: float, flipped: float) -> None:
    """What is quoted beside a p-value is the loss that it is of; "matters" needs more right answers."""
    for losses, shares in itertools.product(
        itertools.product(_LOSSES, repeat=2), itertools.product(_SHARES, repeat=2)
    ):
        is_gain = p_value <= 0.05
        if is_gain and losses[0] >= losses[1]:
            continue  # no such p-value
        rows = [
            {"arrangement": name, "loss": loss, "accuracy": share, "error": None, "flipped": change}
            for name, loss, share, change in zip(
                ("original", "shuffled"), losses, shares, (0.0, flipped), strict=True
            )
        ]
        record = OrderResult(
            "", "yes" if is_gain else "no", p_value,
            RetrainResult("yes" if is_gain else "no", p_value, *losses, shares, 40),
            rows, {}, np.full(199, losses[1]), 2, "class", 40,
        )  # fmt: skip
        model: Any = SimpleNamespace(name="the Net", task="class", per_step=False)
        sentence = order_sentence(record, model)
        checked(OrderResult(**vars(record) | {"sentence": sentence}))
        first, second = _numbers(r"has a log loss of (\S+), and of (\S+) in the median", sentence)
        right = _numbers(r"it is right in (\S+) % of the sequences, and in (\S+) %", sentence)
        if "Order matters to this model:" in sentence:
            assert first < second
            assert right[0] > right[1]
        if "Order does not matter" in sentence:
            assert first == second
            assert "0 % of its predictions change" in sentence
        held = _numbers(
            r"have a bounded log loss of (\S+) on held-out sequences, and of (\S+) when", sentence
        )
        if "The data reward order" in sentence:
            assert held[0] < held[1]


@pytest.mark.parametrize("outcome", ["recurrence helps", "recurrence harms", "no difference"])
def test_every_outcome_of_feedforward_agrees_with_its_numbers(outcome: Any) -> None:
    """A network that is right as often is not said to be worse at that."""
    for losses, shares, seconds in itertools.product(
        itertools.product(_LOSSES, repeat=2), itertools.product(_SHARES, repeat=2), ((1.0, 1.0), (3.0, 1.0))
    ):
        helps, harms = outcome == "recurrence helps", outcome == "recurrence harms"
        if (helps and losses[0] >= losses[1]) or (harms and losses[0] <= losses[1]):
            continue
        networks = [
            NetworkScore(name, 100, 5, loss, share, s)
            for name, loss, share, s in zip(
                ("the GRU", "a feed-forward network"), losses, shares, seconds, strict=True
            )
        ]
        p_value = 1.0 if outcome == "no difference" else 0.01
        record = FeedforwardResult("", outcome, p_value, networks[0], networks[1], "class", 40, 10)
        sentence = feedforward_sentence(record)
        checked(FeedforwardResult(**vars(record) | {"sentence": sentence}))
        first, second = _numbers(r"bounded log loss of (\S+), a feed.*? one of (\S+),", sentence)
        right = _numbers(r"they are right in (\S+) % and in (\S+) %", sentence)
        if "helps here" in sentence:
            assert first < second
        if "harms here:" in sentence:
            assert first > second
            assert right[0] < right[1]
        assert "trains 1 times" not in sentence


def test_every_outcome_of_activations_agrees_with_its_numbers() -> None:
    """Ties, one seed, trainings that diverged or broke down, held-out sequences or none."""
    nan = float("nan")
    choices = ((0.5, 0.5), (0.5, 0.9), (1.0, 1.0), (1.0, nan), (nan, nan))
    for scores, seeds, held_out in itertools.product(itertools.product(choices, repeat=3), (1, 2), (0, 10)):
        rows = tuple(
            ActivationRuns(
                name, np.ones((seeds, 2)), np.isnan(each[:seeds]), np.array(each[:seeds]), np.ones(seeds),
                np.ones(seeds), 1.0,
            )
            for name, each in zip(("sigmoid", "tanh", "relu"), scores, strict=True)
        )  # fmt: skip
        best = min(rows, key=lambda row: (row.diverged_share, 9 if np.isnan(row.score) else -row.score))
        sentence = activations_sentence(rows, best, "class", held_out)
        checked(ActivationsResult(sentence, rows, "class", best.name, held_out, 40, 2))
        names = re.findall(r"with (sigmoid|tanh|relu)\b(?=[:, ])", sentence.split(";")[0])
        assert len(set(names)) == len(names), sentence
        assert "unknown" not in sentence


class _Reads(nn.Module):
    """A score for the second class, from the steps (B, T)."""

    def __init__(self, score: Any) -> None:
        super().__init__()
        self.rnn, self.score = nn.RNN(1, 2, batch_first=True), score

    def forward(self, x: Tensor) -> Tensor:
        self.rnn(x)
        score = self.score(x[..., 0])
        return torch.stack([-score, score], -1)


_MODELS = {
    "constant": lambda x: 0 * x[:, -1],
    "mean": lambda x: 4 * x.mean(1),
    "last": lambda x: 4 * x[:, -1],
    "surer": lambda x: 4 * x.mean(1) + 0.01 * x.mean(1).sign() * (x[:, -1] * x.mean(1) > 0),
    "wrong": lambda x: -4 * x[:, -1],
}


@pytest.mark.parametrize("name", _MODELS)
@pytest.mark.parametrize("count", [2, 40])
@pytest.mark.parametrize("labels", ["last", "mean", "chance", "one class"])
def test_probes_draw_no_conclusion_that_their_numbers_deny(name: str, count: int, labels: str) -> None:
    """Constant answers, ties, chance, perfect answers, tiny samples: `checked` runs in every probe."""
    X = torch.randn(count, 7, 1, generator=torch.Generator().manual_seed(count))
    y = {
        "last": (X[:, -1, 0] > 0).long(),
        "mean": (X.mean((1, 2)) > 0).long(),
        "chance": torch.arange(count) % 2,
        "one class": torch.zeros(count, dtype=torch.long),
    }[labels]
    model = _Reads(_MODELS[name])
    result = order(model, X, y, repeats=39, retrain=False)
    assert result.sentence
    held = length(model, X, y, lengths=[7, 14])
    if held.outcome == "holds":
        assert count >= 8
        assert held.rows[0].score > held.baseline_score
    if name == "constant":
        assert "does not matter" in result.sentence or "too little" in result.sentence
        assert held.outcome == "no skill"


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize("T", [1, 9])
@pytest.mark.parametrize("units", [1, 4])
def test_probes_of_a_network_agree_with_their_numbers(count: int, T: int, units: int) -> None:
    """Single steps, single sequences, a single unit."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(1, units, batch_first=True), nn.Linear(units, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.rnn(x)[0][:, -1])

    torch.manual_seed(units)
    X, model = torch.randn(count, T, 1), Net()
    assert memory(model, X).sentence
    assert gradients(model, X, torch.zeros(count).long()).sentence
    sentence = states(model, X).sentence
    assert f"{count * T} step{'s' * (count * T > 1)} of" in sentence
    assert "two directions" not in sentence or units > 1


def test_a_sentence_that_its_numbers_deny_is_not_returned() -> None:
    """A planted fault: the check itself can fail."""
    network = NetworkScore("the GRU", 100, 5, 0.3, 1.0, 1.0)
    record = FeedforwardResult(
        "Recurrence harms here: ...", "recurrence harms", 0.01, network, network, "class", 40, 10
    )
    with pytest.raises(AssertionError, match="harms here"):
        checked(record)

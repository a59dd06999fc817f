"""Options of the loop for what comes: groups, freezing, kept states, averages, ragged targets, processes."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.errors import ArgumentError
from unrolled.train.config import AveragingConfig, TrainingConfig, TrainingHooks
from unrolled.train.history import TrainingRecord
from unrolled.train.loop import BatchLoss, fit
from unrolled.train.optimizer import AdamW, ParameterGroup

CONFIG = TrainingConfig(max_steps=12, val_check_steps=4, batch_size=6, learning_rate=0.05, seed=2)


class Points:
    """Noisy points of a line."""

    def __init__(self, count: int = 30, seed: int = 0) -> None:
        made = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 2, generator=made)
        self.y = self.x @ torch.tensor([1.0, -2.0]) + 0.3 * torch.randn(count, generator=made)

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.x[rows], self.y[rows]


def _network(seed: int = 4) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))


def _loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    x, y = batch
    return (network(x)[:, 0] - y).square().mean()


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _moved(network: nn.Module, before: dict[str, Tensor]) -> dict[str, float]:
    return {name: float((tensor - before[name]).norm()) for name, tensor in network.state_dict().items()}


def _same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class _PowerCutError(Exception):
    pass


def _power_cut(record: TrainingRecord) -> None:
    if record.step == CONFIG.val_check_steps:
        raise _PowerCutError


def test_groups_learn_at_their_own_rates() -> None:
    """In one step of Adam every weight moves by its rate: the first layer by a tenth of the last one's."""
    network, before = _network(), _weights(_network())
    hooks = TrainingHooks(
        parameter_groups=lambda net: [
            ParameterGroup(list(net[0].parameters()), rate_factor=0.1),
            ParameterGroup(list(net[2].parameters())),
        ]
    )
    config = replace(CONFIG, max_steps=1, weight_decay=0.0, clip_norm=float("inf"))
    fit(network, _loss, Points(), None, config, hooks=hooks)
    moved = {name: (network.state_dict()[name] - before[name]).abs() for name in before}
    rate = 0.05
    for name, factor in {"0.weight": 0.1, "0.bias": 0.1, "2.weight": 1.0, "2.bias": 1.0}.items():
        torch.testing.assert_close(
            moved[name], torch.full_like(moved[name], factor * rate), rtol=1e-3, atol=0
        )


def test_a_group_has_its_own_weight_decay() -> None:
    """Without a gradient that matters, only the group with decay shrinks."""

    def groups(net: Any) -> list[ParameterGroup]:
        return [
            ParameterGroup(list(net[0].parameters()), weight_decay=2.0),
            ParameterGroup(list(net[2].parameters()), weight_decay=0.0),
        ]

    network, before = _network(), _weights(_network())
    hooks = TrainingHooks(parameter_groups=groups)
    fit(network, lambda net, batch: 0 * _loss(net, batch), Points(), None, CONFIG, hooks=hooks)
    moved = _moved(network, before)
    assert moved["0.weight"] > 0.1
    assert moved["2.weight"] < 1e-6


def test_frozen_parameters_stay_to_the_bit() -> None:
    """With requires_grad_(False), with groups and without; the others learn."""
    for hooks in (
        TrainingHooks(),
        TrainingHooks(parameter_groups=lambda net: [ParameterGroup(list(net[2].parameters()))]),
    ):
        network, before = _network(), _weights(_network())
        network[0].requires_grad_(False)
        fit(network, _loss, Points(), None, CONFIG, hooks=hooks)
        moved = _moved(network, before)
        assert moved["0.weight"] == moved["0.bias"] == 0
        assert min(moved["2.weight"], moved["2.bias"]) > 0


@pytest.mark.parametrize(("groups", "times"), [([0], 0), ([0, 0, 2], 2)])
def test_a_parameter_in_no_group_or_two_is_refused(groups: list[int], times: int) -> None:
    """It would silently stay as it is, or move twice."""
    hooks = TrainingHooks(
        parameter_groups=lambda net: [ParameterGroup(list(net[k].parameters())) for k in groups]
    )
    with pytest.raises(ArgumentError, match=rf"parameter_groups: .* is in {times}\. Freeze it"):
        fit(_network(), _loss, Points(), None, CONFIG, hooks=hooks)


# ---- a state that is carried from batch to batch

STREAMS, CHUNKS, STEPS = 3, 4, 5


class Chunks:
    """Three long series in chunks of five steps: position c · 3 + b is chunk c of series b."""

    def __init__(self, seed: int = 0) -> None:
        made = torch.Generator().manual_seed(seed)
        moves = torch.randn(STREAMS, CHUNKS * STEPS, generator=made)
        self.x, self.y = moves[..., None], moves.cumsum(1)  # the sum so far needs the chunks before

    def __len__(self) -> int:
        return STREAMS * CHUNKS

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        chunk, streams = int(rows[0]) // STREAMS, rows % STREAMS
        steps = slice(chunk * STEPS, (chunk + 1) * STEPS)
        return self.x[streams, steps], self.y[streams, steps]


class Reader(nn.Module):
    """A plain recurrent network with a readout of every step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.core, self.head = nn.RNN(1, 6, batch_first=True), nn.Linear(6, 1)


def _stateful_loss(network: Reader, batch: tuple[Tensor, Tensor], state: Any) -> BatchLoss:
    x, y = batch
    output, last = network.core(x, state and state[0])
    return BatchLoss((network.head(output)[..., 0] - y).square().mean(), state=(last,))


STATEFUL = TrainingConfig(
    max_steps=8, val_check_steps=3, batch_size=STREAMS, learning_rate=0.02, stateful=True
)


def test_truncated_backpropagation_is_that_of_the_textbook() -> None:
    """Equal to a loop by hand: chunks in order, the state detached between two, anew with each pass."""
    network, by_hand, data = Reader(), Reader(), Chunks()
    fit(network, _stateful_loss, data, None, STATEFUL)
    groups = [ParameterGroup(list(by_hand.parameters()))]
    optimizer = AdamW(groups, learning_rate=0.0, weight_decay=1e-3, clip_norm=1.0)
    state: Any = None
    for step in range(STATEFUL.max_steps):
        chunk = step % CHUNKS
        if chunk == 0:
            state = None
        climb = min(1.0, (step + 1) / (0.05 * STATEFUL.max_steps))
        optimizer.learning_rate = 0.02 * climb * (1 + math.cos(math.pi * step / STATEFUL.max_steps)) / 2
        optimizer.zero_grad()
        value, _, (last,), _ = _stateful_loss(by_hand, data.batch(torch.arange(3) + 3 * chunk), state)
        value.backward()
        optimizer.step()
        state = (last.detach(),)
    assert _same(network, by_hand)


def test_the_carried_state_matters() -> None:
    """A loss that forgets the state ends with other weights."""
    network, forgetful = Reader(), Reader()
    fit(network, _stateful_loss, Chunks(), None, STATEFUL)
    fit(forgetful, lambda net, batch, _: _stateful_loss(net, batch, None), Chunks(), None, STATEFUL)
    assert not _same(network, forgetful)


def test_the_state_matters_to_the_validation_loss() -> None:
    """Read chunk by chunk with the state, all chunks have the loss of the whole series at once."""
    network, data = Reader(), Chunks()
    config = replace(STATEFUL, max_steps=1, learning_rate=1e-12)
    history = fit(network, _stateful_loss, data, data, config)
    whole = _stateful_loss(network, (data.x, data.y), None).value.item()
    assert history.best.validation_loss == pytest.approx(whole, rel=1e-5)
    pieces = [
        _stateful_loss(network, data.batch(torch.arange(3) + 3 * c), None).value.item() for c in range(4)
    ]
    assert sum(pieces) / 4 != pytest.approx(whole, rel=1e-3)


def test_a_stateful_training_is_resumed_in_the_middle_of_a_pass(tmp_path: Path) -> None:
    """State and place in the series are in the checkpoint: the same weights, to the bit."""

    def cut(record: TrainingRecord) -> None:
        if record.step == 3:  # of the four steps of a pass
            raise _PowerCutError

    whole, resumed = Reader(), Reader()
    fit(whole, _stateful_loss, Chunks(), None, STATEFUL)
    with pytest.raises(_PowerCutError):
        fit(resumed, _stateful_loss, Chunks(), None, STATEFUL, checkpoint=tmp_path / "c", on_check=cut)
    resumed = Reader()
    fit(resumed, _stateful_loss, Chunks(), None, STATEFUL, checkpoint=tmp_path / "c")
    assert _same(whole, resumed)


def test_chunks_that_do_not_fill_the_batches_are_refused() -> None:
    """The second batch would mix the end of one pass with the start of the next."""
    with pytest.raises(ArgumentError, match=r"batch_size=5 divides.*got 12\."):
        fit(Reader(), _stateful_loss, Chunks(), None, replace(STATEFUL, batch_size=5))


# ---- averaged weights


def test_averaged_weights_are_validated_and_kept() -> None:
    """With a decay of 1 the result is the mean of the weights after each step."""
    config = replace(CONFIG, max_steps=4, averaging=AveragingConfig(decay=1.0))
    before_step: list[Tensor] = []
    validated: list[Tensor] = []

    def loss(network: Any, batch: Any) -> Tensor:
        (before_step if network.training else validated).append(network[0].weight.detach().clone())
        return _loss(network, batch)

    network, plain = _network(), _network()
    fit(network, loss, Points(), Points(seed=1), config)
    fit(plain, _loss, Points(), None, replace(config, averaging=None))
    after_step = torch.stack([*before_step[1:], plain[0].weight.detach()])
    torch.testing.assert_close(network[0].weight.detach(), after_step.mean(0))
    assert torch.equal(validated[0], network[0].weight)
    assert not torch.equal(network[0].weight, plain[0].weight)


def test_an_averaged_training_is_resumed_to_the_bit(tmp_path: Path) -> None:
    """The average is in the checkpoint beside the weights that go on."""
    config = replace(CONFIG, averaging=AveragingConfig(decay=0.8, start_step=2))
    whole = _network()
    fit(whole, _loss, Points(), Points(seed=1), config)
    resumed = _network()
    with pytest.raises(_PowerCutError):
        fit(resumed, _loss, Points(), Points(seed=1), config, checkpoint=tmp_path / "c", on_check=_power_cut)
    resumed = _network()
    fit(resumed, _loss, Points(), Points(seed=1), config, checkpoint=tmp_path / "c")
    assert _same(whole, resumed)


# ---- ragged targets: a batch type of its own, losses weighed by their number of targets


class Sentences:
    """Token sequences of different lengths, each token to be told from the one before."""

    def __init__(self, count: int = 14) -> None:
        made = torch.Generator().manual_seed(5)
        lengths = torch.randint(2, 9, (count,), generator=made).tolist()
        self.tokens = [torch.randint(0, 4, (length,), generator=made) for length in lengths]

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: Tensor) -> list[Tensor]:
        return [self.tokens[row] for row in rows]


def _next_token_loss(network: nn.Module, batch: list[Tensor]) -> BatchLoss:
    inputs = torch.cat([tokens[:-1] for tokens in batch])
    targets = torch.cat([tokens[1:] for tokens in batch])
    return BatchLoss(F.cross_entropy(network(inputs), targets), len(targets))


def test_losses_are_weighed_by_their_number_of_targets() -> None:
    """The validation loss is the mean over all tokens, not over sentences or batches."""
    network, data = nn.Embedding(4, 4), Sentences()
    config = replace(CONFIG, max_steps=3, val_check_steps=3, batch_size=5, learning_rate=1e-12)
    history = fit(network, _next_token_loss, data, data, config)
    exact = _next_token_loss(network, data.tokens).value.item()
    assert history.best.validation_loss == pytest.approx(exact, rel=1e-6)
    # 3 batches of 5 hold all 14 sentences and one again: the mean over their tokens
    torch.manual_seed(config.seed)
    rows = torch.cat([torch.randperm(14), torch.randperm(14)])[:15]
    exact = _next_token_loss(network, data.batch(rows)).value.item()
    assert history.best.train_loss == pytest.approx(exact, rel=1e-6)
    unweighed = [_next_token_loss(network, data.batch(each)).value.item() for each in rows.split(5)]
    assert sum(unweighed) / 3 != pytest.approx(exact, rel=1e-6)


def test_connectionist_temporal_classification_learns_ragged_labels() -> None:
    """A CTC loss, with labels shorter than their inputs, falls by the same loop."""
    torch.manual_seed(0)
    inputs = [torch.randn(steps, 3) for steps in (7, 9, 6, 8)]
    labels = [torch.tensor(each) for each in ([1, 2], [2, 1, 1], [1], [2, 2])]

    class Clips:
        def __len__(self) -> int:
            return len(inputs)

        def batch(self, rows: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            return [inputs[row] for row in rows], [labels[row] for row in rows]

    def loss(network: nn.Module, batch: tuple[list[Tensor], list[Tensor]]) -> BatchLoss:
        clips, texts = batch
        scores = network(nn.utils.rnn.pad_sequence(clips)).log_softmax(-1)  # (T, B, labels and blank)
        lengths = [torch.tensor([len(each) for each in group]) for group in batch]
        total = F.ctc_loss(scores, torch.cat(texts), *lengths, reduction="sum")
        n_labels = int(lengths[1].sum())
        return BatchLoss(total / n_labels, n_labels)

    config = TrainingConfig(max_steps=60, val_check_steps=20, batch_size=2, learning_rate=0.05)
    losses = [record.train_loss for record in fit(nn.Linear(3, 3), loss, Clips(), None, config).records]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]


# ---- gradients averaged over processes


def test_averaged_gradients_of_two_halves_are_those_of_the_whole() -> None:
    """A "process" reads part of a batch; with means weighed by targets it takes the step of the whole."""
    data = Points()
    whole, half = _network(), _network()
    config = replace(CONFIG, batch_size=10, max_steps=3, val_check_steps=3, clip_norm=0.05)
    batches: list[tuple[Tensor, Tensor]] = []

    def whole_loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        batches.append(batch)
        return _loss(network, batch)

    fit(whole, whole_loss, data, None, config)
    first, counts = 7, []

    def half_loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> BatchLoss:
        x, y = batch
        return BatchLoss(_loss(network, (x[:first], y[:first])), first)

    def average(parameters: Sequence[nn.Parameter], n_targets: int) -> None:
        counts.append(n_targets)
        x, y = batches[len(counts) - 1]
        other = torch.autograd.grad(_loss(half, (x[first:], y[first:])), list(parameters))
        for parameter, gradient in zip(parameters, other, strict=True):
            parameter.grad = (n_targets * parameter.grad + (len(x) - n_targets) * gradient) / len(x)

    fit(half, half_loss, data, None, config, hooks=TrainingHooks(average_gradients=average))
    assert counts == [first] * 3
    for one, other in zip(whole.parameters(), half.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_are_clipped_after_they_are_averaged(gradient_lengths: list[float]) -> None:
    """What the hook leaves is shortened, though it is a million times as long."""
    counts = []

    def lengthen(parameters: Sequence[nn.Parameter], n_targets: int) -> None:
        counts.append(n_targets)
        for parameter in parameters:
            parameter.grad *= 1e6

    config = replace(CONFIG, max_steps=1)
    fit(_network(), _loss, Points(), None, config, hooks=TrainingHooks(average_gradients=lengthen))
    assert counts == [CONFIG.batch_size]  # of a plain loss: the examples
    assert gradient_lengths == [pytest.approx(1.0, abs=1e-5)]

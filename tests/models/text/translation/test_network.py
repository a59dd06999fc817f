"""The decoder runs over all steps as it would one by one; padding changes nothing; every option matters."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unrolled.models.text.translation.dataset import NO_TOKEN, PairBatch
from unrolled.models.text.translation.network import TranslationConfig, TranslationNetwork

CONFIG = TranslationConfig(n_tokens=11, hidden_size=6, embedding_size=5, num_layers=3)


def _network(**changes: Any) -> TranslationNetwork:
    torch.manual_seed(0)
    return TranslationNetwork(replace(CONFIG, **changes)).eval()


def _batch() -> PairBatch:
    source = torch.tensor([[3, 4, 5], [6, 0, 7], [8, 0, 9], [1, 0, 0]])
    targets = torch.tensor([[1, 2, 3], [10, 5, 4], [NO_TOKEN, 10, 10]])
    inputs = torch.tensor([[10, 10, 10], [1, 2, 3], [0, 5, 4]])
    return PairBatch(source, torch.tensor([4, 1, 3]), inputs, targets)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_steps_one_by_one_equal_all_at_once(cell: str) -> None:
    """The same states, contexts and outputs."""
    network, batch = _network(cell=cell), _batch()
    expected, weights = network(batch.source, batch.source_lengths, batch.inputs)
    memory, state = network.encode(batch.source, batch.source_lengths)
    for t, tokens in enumerate(batch.inputs):
        read, weight, state = network.decode(tokens[None], memory, state)
        assert torch.allclose(read[0], expected[t], atol=1e-6)
        assert torch.allclose(weight[:, 0], weights[:, t], atol=1e-6)


def test_hypotheses_of_a_source_share_its_states() -> None:
    """Each with tokens and a state of its own."""
    network, batch = _network(), _batch()
    memory, start = network.encode(batch.source, batch.source_lengths)
    tokens = torch.tensor([[1, 2], [3, 4], [5, 6]])  # two hypotheses of three sources
    copies = start.select(torch.tensor([0, 0, 1, 1, 2, 2]))
    read, _, _ = network.decode(tokens.view(1, -1), memory, copies)
    for k in range(2):
        alone, _, _ = network.decode(tokens[None, :, k], memory, start)
        assert torch.allclose(read[0].view(3, 2, -1)[:, k], alone[0], atol=1e-6)


def test_padding_changes_no_step() -> None:
    """Of the source, whatever token stands there."""
    network, batch = _network(), _batch()
    expected, _ = network(batch.source, batch.source_lengths, batch.inputs)
    source = batch.source.clone()
    source[1:, 1] = 9
    changed, _ = network(source, batch.source_lengths, batch.inputs)
    assert torch.equal(changed, expected)
    alone, _ = network(batch.source[:1, 1:2], torch.tensor([1]), batch.inputs[:, 1:2])
    assert torch.allclose(alone[:, 0], expected[:, 1], atol=1e-6)


def test_the_loss_is_the_cross_entropy_of_the_tokens_that_are_there() -> None:
    """Its softmax is tied to the vectors of the target."""
    network, batch = _network(), _batch()
    loss = network.loss(batch, 0.1)
    read, _ = network(batch.source, batch.source_lengths, batch.inputs)
    logits = F.linear(read, network.target_vectors.weight, network.bias).flatten(0, 1)
    expected = F.cross_entropy(logits, batch.targets.flatten(), ignore_index=NO_TOKEN)
    assert loss.n_targets == 8
    assert torch.allclose(loss.value, expected, atol=1e-6)  # nothing is smoothed in evaluation
    assert torch.allclose(network.log_probabilities(read[0]), logits.view(3, 3, -1)[0].log_softmax(-1))
    smoothed = F.cross_entropy(
        logits, batch.targets.flatten(), ignore_index=NO_TOKEN, label_smoothing=0.5
    )  # fmt: skip
    network.train()  # nothing is dropped here
    assert torch.allclose(network.loss(batch, 0.5).value, smoothed, atol=1e-6)


def test_all_weights_learn() -> None:
    """Each has a gradient after a step."""
    network, batch = _network(), _batch()
    network.train().loss(batch, 0.1).value.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize(
    "change",
    [
        {"num_layers": 2}, {"encoder_layers": 2}, {"attention": "dot"}, {"cell": "lstm"},
        {"cell": "rnn", "activation": "relu"}, {"embedding_size": 4}, {"hidden_size": 8},
    ],
)  # fmt: skip
def test_every_option_changes_the_outputs(change: dict[str, Any]) -> None:
    """Of the same seed."""
    batch = _batch()
    losses = [_network(**c).loss(batch, 0.0).value.item() for c in ({}, change)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("option", ["dropout", "word_dropout"])
def test_dropout_is_of_the_training_alone(option: str) -> None:
    """Each kind by itself."""
    network, batch = _network(**{option: 0.5}), _batch()
    assert network.loss(batch, 0.0).value == network.loss(batch, 0.0).value
    network.train()
    assert network.loss(batch, 0.0).value != network.loss(batch, 0.0).value

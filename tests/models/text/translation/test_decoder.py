"""Translating in batches equals translating one by one, and a search step by step equals the network."""

import numpy as np
import pytest
import torch

from unrolled.models.text.translation.decoder import NetworkDecoder, attention_weights, translate_tokens
from unrolled.models.text.translation.network import TranslationConfig, TranslationNetwork

END = 12


@pytest.fixture
def network() -> TranslationNetwork:
    """An untrained network with strong opinions."""
    torch.manual_seed(1)
    network = TranslationNetwork(TranslationConfig(n_tokens=END + 1, hidden_size=8, embedding_size=6)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return network


def _sources() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(1, END, size) for size in (5, 1, 17, 5, 3, 9)]


@pytest.mark.parametrize("beam", [1, 4])
def test_a_text_is_translated_as_if_alone(network: TranslationNetwork, beam: int) -> None:
    """Whatever others stand in its batch."""
    sources, limits = _sources(), np.array([6, 2, 9, 6, 4, 7])
    together = translate_tokens(network, sources, limits, beam=beam, end=END, length_penalty=1.0)
    for source, limit, hypotheses in zip(sources, limits, together, strict=True):
        alone = translate_tokens(
            network, [source], np.array([limit]), beam=beam, end=END, length_penalty=1.0
        )[0]
        assert [h.tokens for h in alone] == [h.tokens for h in hypotheses]
        assert [h.score for h in alone] == pytest.approx([h.score for h in hypotheses], abs=1e-4)


def test_scores_are_those_of_the_network(network: TranslationNetwork) -> None:
    """Log probabilities of all tokens and of the end, over the number of them."""
    source = _sources()[0]
    best = translate_tokens(network, [source], np.array([8]), beam=3, end=END, length_penalty=1.0)[0][0]
    tokens = torch.tensor([END, *best.tokens])[:, None]
    with torch.no_grad():
        read, _ = network(torch.from_numpy(source)[:, None], torch.tensor([len(source)]), tokens)
        log_p = network.log_probabilities(read[:, 0])
    chosen = log_p[torch.arange(len(tokens)), torch.tensor([*best.tokens, END])]
    assert best.log_probability == pytest.approx(float(chosen.sum()), abs=1e-4)
    assert best.score == pytest.approx(float(chosen.mean()), abs=1e-4)


def test_the_unknown_token_is_never_written(network: TranslationNetwork) -> None:
    """Even where the network would."""
    with torch.no_grad():
        network.bias[0] = 50.0
        decoder = NetworkDecoder(network, torch.tensor([[3], [4]]), torch.tensor([2]), beam=2)
        assert decoder.step(torch.tensor([[END, END]]))[..., 0].tolist() == [[-float("inf")] * 2]
    found = translate_tokens(network, _sources(), np.full(6, 5), beam=2, end=END, length_penalty=1.0)
    assert all(0 not in h.tokens for each in found for h in each)


def test_weights_of_attention_are_shares(network: TranslationNetwork) -> None:
    """A row for each token of the target and its end, over the tokens of the source."""
    weights = attention_weights(network, np.array([1, 2, 3]), np.array([4, 5]), END)
    assert weights.shape == (3, 3)
    assert np.allclose(weights.sum(1), 1)


def test_a_progress_line_counts_texts(
    network: TranslationNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it is asked for."""
    for shown in (True, False):
        translate_tokens(network, _sources(), np.full(6, 5), beam=2, end=END, length_penalty=1.0, shown=shown)
        assert ("translating 6/6 texts" in capsys.readouterr().err) == shown

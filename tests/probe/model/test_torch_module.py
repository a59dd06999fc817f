"""Torch modules are called without padding, and their probabilities are recognised."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled import ArgumentError, probe
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.torch_module import are_probabilities

from .conftest import RAGGED, Last, Packed


def test_a_module_without_lengths_never_reads_padding() -> None:
    """Each ragged sequence is answered as it is alone."""
    module = Last()
    together = as_probed_model(module, RAGGED).outputs()
    for k, sequence in enumerate(RAGGED):
        torch.testing.assert_close(together[k], as_probed_model(module, [sequence]).outputs()[0])


def test_a_module_that_packs_has_the_same_outputs() -> None:
    """With lengths in its forward, or in batches of one length: the same network, the same answers."""
    plain, packed = Last(), Packed()
    packed.load_state_dict(plain.state_dict())
    torch.testing.assert_close(
        as_probed_model(packed, RAGGED).outputs(), as_probed_model(plain, RAGGED).outputs()
    )


class _SeqLens(Packed):
    """Takes lengths by another name, and answers in a dataclass."""

    def forward(self, x: Tensor, seq_lens: Tensor) -> Any:
        return _Answer(states=x, logits=super().forward(x, lengths=seq_lens))


@dataclass
class _Answer:
    states: Tensor
    logits: Tensor


def test_lengths_and_scores_go_by_their_usual_names() -> None:
    """`seq_lens` of forward, `logits` of a dataclass."""
    plain, renamed = Last(), _SeqLens()
    renamed.load_state_dict(plain.state_dict())
    torch.testing.assert_close(
        as_probed_model(renamed, RAGGED).outputs(), as_probed_model(plain, RAGGED).outputs()
    )
    assert probe.memory(renamed, RAGGED).gradient[0] > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("K", [2, 3, 10, 100])
def test_probabilities_of_any_precision_are_recognised(dtype: torch.dtype, K: int) -> None:
    """Their sum misses 1 by what each was rounded by."""
    logits = 3 * torch.randn(50, K, generator=torch.Generator().manual_seed(K))
    assert are_probabilities(logits.softmax(-1).to(dtype))
    assert not are_probabilities(logits.to(dtype))


class _Sorted(nn.Module):
    """Packs as torch does by default: the longest sequence first."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.head = nn.GRU(1, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        return self.head(self.rnn(packed)[1][-1])


def test_a_module_that_packs_sorted_sequences_is_probed() -> None:
    """Every probe passes the longest first; outputs come back in the order of X."""
    X = [np.random.default_rng(k).normal(size=(n, 1)) for k, n in enumerate((3, 9, 5, 9, 2, 7, 4, 8))]
    y, module = np.arange(8) % 2, _Sorted()
    alone = torch.cat([as_probed_model(module, [x]).outputs() for x in X])
    probed = as_probed_model(module, X, y)
    rows = torch.cat(probed.batches(torch.arange(8)))
    assert torch.allclose(probed.outputs(), alone, atol=1e-6)
    assert torch.allclose(probed.outputs(rows=rows), alone[rows], atol=1e-6)
    assert probed.layer_call().lengths.tolist() == [len(x) for x in X]
    assert probe.memory(module, X).gradient[0] > 0
    assert probe.gradients(module, X, y).sentence
    assert probe.states(module, X).of(1).shape == (9, 4)
    assert probe.order(module, X, y, repeats=19, folds=3).table[0]["flipped"] == 0


@pytest.mark.parametrize(
    "returned",
    [
        lambda scores: {"logits": scores},
        lambda scores: {"hidden": scores.sum(1), "logits": scores, "loss": None},
        lambda scores: {"out": scores, "state": scores},
        lambda scores: {"y_hat": scores},
        lambda scores: (scores, None),
        lambda scores: [scores, scores],
    ],
)
def test_scores_are_found_in_what_a_module_returns(returned: Callable[[Tensor], Any]) -> None:
    """Dictionaries, as in transformers; tuples and lists."""

    class Returns(Last):
        def forward(self, x: Tensor) -> Any:
            return returned(super().forward(x))

    X = torch.randn(5, 6, 2)
    torch.manual_seed(0)
    plain = Last()
    torch.manual_seed(0)
    assert torch.equal(as_probed_model(Returns(), X).outputs(), as_probed_model(plain, X).outputs())


@pytest.mark.parametrize("returned", [{"a": 1, "b": 1}, {}])
def test_a_dictionary_that_leaves_a_choice_is_refused(returned: dict[str, int]) -> None:
    """Its names are given, and what to call the scores."""

    class Returns(Last):
        def forward(self, x: Tensor) -> Any:
            scores = super().forward(x)
            return dict.fromkeys(returned, scores)

    with pytest.raises(ArgumentError, match="call them 'logits'"):
        as_probed_model(Returns(), torch.randn(5, 6, 2))

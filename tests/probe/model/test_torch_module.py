"""Torch modules are called without padding, and their probabilities are recognised."""

import pytest
import torch

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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("K", [2, 3, 10, 100])
def test_probabilities_of_any_precision_are_recognised(dtype: torch.dtype, K: int) -> None:
    """Their sum misses 1 by what each was rounded by."""
    logits = 3 * torch.randn(50, K, generator=torch.Generator().manual_seed(K))
    assert are_probabilities(logits.softmax(-1).to(dtype))
    assert not are_probabilities(logits.to(dtype))

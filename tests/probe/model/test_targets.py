"""Targets become positions among classes or numbers, or are refused."""

import numpy as np
import pytest
import torch

from unrolled import DataError
from unrolled.probe.model.targets import encode_targets


@pytest.mark.parametrize("classes", [None, np.arange(2)])
def test_a_target_a_sequence_is_refused_for_an_output_a_step(classes: object) -> None:
    """A layer without a readout answers every step; its author meant the last."""
    with pytest.raises(DataError, match="y: expected a list for each sequence, one label or number a step"):
        encode_targets([0, 1], torch.tensor([3, 4]), classes, per_step=True, caller="order y")

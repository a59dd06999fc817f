"""What a subject's answers are held against."""

import numpy as np
import pytest
import torch

from unrolled import DataError
from unrolled.probe.model.targets import encode_targets


@pytest.mark.parametrize("classes", [None, np.arange(2)])
def test_one_answer_a_sequence_is_refused_where_every_step_has_one(classes: object) -> None:
    """A layer without a readout answers every step; its author meant the last."""
    with pytest.raises(DataError, match="y: expected a list for each sequence, one label or number a step"):
        encode_targets([0, 1], torch.tensor([3, 4]), classes, per_step=True, caller="order y")

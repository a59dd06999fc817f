"""Windows of a Forecaster are probed as sequences."""

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled import UnrolledError
from unrolled.probe.model.adapter import as_probed_model


def test_windows_of_a_forecaster_are_sequences() -> None:
    """The medians of its horizon, in units of each origin; beside other steps stands what stood there."""
    y = np.random.default_rng(0).normal(size=80).cumsum()
    model = ur.Forecaster(horizon=3, cell="gru", hidden_size=4, max_steps=8, window=12).fit(y)
    probed = as_probed_model(model, None)
    assert probed.values.shape[:2] == (79, 12)
    batch = model.last_windows()
    with torch.no_grad():
        expected = model.networks_[0](batch)[..., 3]
        torch.testing.assert_close(probed.outputs(), expected)
        rows = torch.tensor([5, 70, 5])
        torch.testing.assert_close(probed.select(rows).outputs(), expected[rows])
        torch.testing.assert_close(probed.outputs(probed.values[rows], rows=rows), expected[rows])
    is_valid = batch.target_mask > 0
    assert torch.equal(probed.targets[is_valid], batch.target[is_valid])
    assert probed.targets[~is_valid].isnan().all()
    assert is_valid.sum() == 79 * 3 - 3  # the last two origins lack three steps together
    result = ur.probe.order(model, None, None, retrain=False, repeats=19)
    assert (result.task, result.p_value, result.outcome) == ("number", None, "not tested")
    assert result.sentence.startswith("Whether order matters to this model is not tested, because")
    assert "case" not in result.sentence  # none is claimed to be due to chance
    with pytest.raises(UnrolledError, match="retrain=False"):
        ur.probe.order(model, y, None)

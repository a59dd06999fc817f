"""Settings count in steps; epochs are passes over the data."""

import pytest

from unrolled.train.config import NO_HOOKS, SILENT, TrainingConfig, steps_per_epoch


@pytest.mark.parametrize(
    ("n_examples", "batch_size", "steps"), [(1, 8, 1), (8, 8, 1), (9, 8, 2), (17, 8, 3), (64, 8, 8)]
)
def test_an_epoch_is_a_pass_over_the_data(n_examples: int, batch_size: int, steps: int) -> None:
    """Every example is in it, and each pass ends with a check."""
    assert steps_per_epoch(n_examples, batch_size) == steps
    config = TrainingConfig.of_epochs(5, n_examples, batch_size, learning_rate=0.1, patience=2)
    assert (config.max_steps, config.val_check_steps) == (5 * steps, steps)
    assert (config.batch_size, config.learning_rate, config.patience) == (batch_size, 0.1, 2)
    assert config.unit == "epoch"


def test_by_default_nothing_takes_part_and_nobody_is_told() -> None:
    """No hook, no checkpoint, no progress line, no callback."""
    assert set(vars(NO_HOOKS).values()) == {None}
    assert (SILENT.checkpoint, SILENT.verbose, SILENT.callbacks) == (None, False, ())

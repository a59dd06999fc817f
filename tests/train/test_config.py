"""Settings count in steps; epochs are passes over the data."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.errors import ArgumentError
from unrolled.train.config import (
    NO_HOOKS,
    SILENT,
    AveragingConfig,
    EpochBounds,
    Monitor,
    TrainingConfig,
    bounded_batch_size,
    steps_per_epoch,
)


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
    assert Monitor.from_arguments(None, (), verbose=0).verbose is False  # as scikit-learn has it


def test_numbers_of_a_config_are_those_of_python() -> None:
    """Whatever numpy or fractions call them: JSON holds no other."""
    config = TrainingConfig(np.int64(8), np.int8(4), np.uint16(2), np.float32(0.5), seed=np.uint8(3))
    values = (config.max_steps, config.val_check_steps, config.batch_size, config.learning_rate, config.seed)
    assert [type(value) for value in values] == [int, int, int, float, int]
    assert values == (8, 4, 2, 0.5, 3)
    assert config.stateful is False


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (print, r"got <built-in function print>\. Put it in a list\."),
        ([print, 3], r"got 3\. Leave it out\."),
        ("log", r"got 'log'\. Leave it out\."),
        (None, r"got None\. Leave it out\."),
    ],
    ids=str,
)
def test_callbacks_that_are_no_list_of_functions_are_refused(callbacks: Any, message: str) -> None:
    """Before anything is trained, with every other fault of the call."""
    with pytest.raises(ArgumentError) as fault:
        Monitor.from_arguments("", callbacks, verbose=False)
    first, second = str(fault.value).splitlines()
    assert first == "checkpoint: expected the path of a file or folder, got ''."
    assert re.search(f"^callbacks: expected a list of functions, {message}$", second)


def test_callbacks_may_come_in_any_iterable() -> None:
    """A generator is read once, here."""
    monitor = Monitor.from_arguments("folder", (each for each in [print]), verbose=True)
    assert monitor == Monitor(Path("folder"), True, (print,))


@pytest.mark.parametrize(("steps", "epochs"), [(1, 60), (10, 60), (11, 55), (37, 17), (38, 16), (5000, 16)])
def test_few_examples_are_trained_for_a_number_of_steps(steps: int, epochs: int) -> None:
    """Within the bounds: the fewest epochs that make them."""
    assert EpochBounds(least=16, most=60, min_steps=600).epochs(steps) == epochs


@pytest.mark.parametrize(
    ("n_examples", "size"), [(1, 1), (7, 7), (8, 8), (143, 8), (144, 9), (512, 32), (9000, 32)]
)
def test_a_batch_is_at_most_a_sixteenth_of_the_examples(n_examples: int, size: int) -> None:
    """But eight, where there are as many."""
    assert bounded_batch_size(32, n_examples) == size
    assert bounded_batch_size(4, n_examples) == min(4, n_examples)


def test_weights_are_averaged_in_the_second_half() -> None:
    """Over a share of all steps; what is named goes before the bounds."""
    bounds = EpochBounds(least=4, most=40, min_steps=90)
    config = TrainingConfig.within_bounds(
        bounds, 130, max_epochs=None, batch_size=64, patience=3, averaged=0.1, learning_rate=0.01
    )
    assert (config.batch_size, config.val_check_steps, config.max_steps) == (8, 17, 102)
    assert (config.patience, config.averaging) == (3, AveragingConfig(1 - 1 / 10.2, start_step=51))
    named = TrainingConfig.within_bounds(
        bounds, 130, max_epochs=2, batch_size=5, patience=None, learning_rate=0.01
    )
    assert (named.batch_size, named.max_steps, named.patience) == (5, 52, 2)
    assert named.averaging is None

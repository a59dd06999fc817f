"""A device is tried before anything is computed on it."""

import pytest

from unrolled.train.device import check_device


def test_the_processor_is_a_device() -> None:
    """It is there on every machine, and its name comes back."""
    assert check_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "meta", 3.5, 10**30])
def test_an_unusable_device_is_refused(device: object) -> None:
    """Misspelt, missing, without numbers, or no name at all: the sentence says what came."""
    with pytest.raises(
        ValueError, match=f"device: expected the name of one that torch can use here.*got {device!r}"
    ):
        check_device(device)

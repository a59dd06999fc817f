"""Every instruction set of the kernels in turn, and the number of torch's threads put back."""

from collections.abc import Iterator

import pytest
import torch

from unrolled import kernels


@pytest.fixture(params=kernels.build_info()["runnable"].split())
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each that this processor runs, in use for the test."""
    before = kernels._compiled.selected()
    assert kernels._compiled.select(request.param)
    yield request.param
    kernels._compiled.select(before)


@pytest.fixture
def threads() -> Iterator[None]:
    """A test may set torch's threads as it likes."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)

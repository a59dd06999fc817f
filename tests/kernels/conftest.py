"""Every implementation of the kernels in turn."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled import kernels

TABLES = kernels.build_info()["runnable"].split()


@pytest.fixture(params=[*TABLES, "reference"])
def implementation(request: pytest.FixtureRequest) -> Iterator[Callable[..., NDArray[Any]]]:
    """`implementation(name, x)`: each instruction set that this processor runs, and the NumPy twin."""
    if request.param == "reference":
        yield _reference
        return
    before = kernels._compiled.selected()
    assert kernels._compiled.select(request.param)
    yield lambda name, x: getattr(kernels, name)(x)
    kernels._compiled.select(before)


def _reference(name: str, x: NDArray[Any]) -> NDArray[Any]:
    out = np.empty_like(x)
    getattr(kernels.reference, name)(x, out)
    return out

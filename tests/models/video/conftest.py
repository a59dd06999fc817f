"""Clips whose next frames are known: a square that moves straight on and bounces."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


def bouncing(n: int, steps: int, side: int = 16, size: int = 4, seed: int = 0) -> Any:
    """Draw clips (n, steps, side, side) of bytes: one bright square each, a pixel a step along both axes."""
    rng = np.random.default_rng(seed)
    clips = np.zeros((n, steps, side, side), np.uint8)
    free = side - size
    for clip in clips:
        phases = rng.integers(0, 2 * free, 2)
        for t, frame in enumerate(clip):
            y, x = (free - abs(free - (phase + t) % (2 * free)) for phase in phases)
            frame[y : y + size, x : x + size] = 250
    return clips


@pytest.fixture
def bouncing_squares() -> Callable[..., Any]:
    """Return the function that draws them."""
    return bouncing

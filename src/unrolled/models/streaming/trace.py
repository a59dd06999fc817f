"""Trace of a live stream: what the input and what the memory brought to each unit, step by step.

Shapes: n steps, H units of the last recurrent layer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError
from unrolled.models.streaming.streams import Stream

Floats = NDArray[np.float64]

MEMORY = re.compile(r"network\d+\.[hc]\d*")  # names of the states of recurrent layers: (H,), or (L, H)


@dataclass(frozen=True, eq=False)
class StreamTrace:
    """Answers and states of n steps, and what each state is made of.

    A unit would be from_input[t, unit] after step t if nothing were remembered before it; what it is beyond
    that, the memory brought:

        from_input = h(x_t, 0)    from_memory = h(x_t, h_(t-1)) - h(x_t, 0)    state = their sum

    Args:
        answers: of each step, as `stream.steps` gives them.
        states: (n, H) after each step; (n, 0) where no state is carried, as by a window.
        from_input: (n, H).
        from_memory: (n, H).
    """

    answers: Any
    states: Floats
    from_input: Floats
    from_memory: Floats


def trace(stream: Stream, xs: Any, *, network: int = 0) -> StreamTrace:
    """Move a stream on by steps, and say what brought its state.

    Args:
        stream: of a fitted model.
        xs: (n, F) values, or (n,) where F is 1.
        network: which of the model's networks, from 0.

    Raises:
        DataError: the values cannot be used; the stream has not moved.
        ArgumentError: the model has no such network.

    >>> import unrolled as ur
    >>> X = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    >>> model = ur.SequenceClassifier(hidden_size=8, max_epochs=2).fit(X, ["up", "down"])
    >>> traced = trace(model.stream(), X[0])
    >>> traced.states.shape, bool(np.allclose(traced.states, traced.from_input + traced.from_memory))
    ((4, 8), True)
    """
    before = stream.state
    layers = [name for name in before if re.fullmatch(rf"network{network}\.h\d*", name)]
    if not layers and any(map(MEMORY.fullmatch, before)):
        raise ArgumentError(f"network: expected one of the model's networks, from 0; got {network!r}.")
    answers = stream.steps(xs)
    if not layers:
        nothing = np.empty((len(answers), 0))
        return StreamTrace(answers, nothing, nothing, nothing)
    stream.state = before
    states, alone = [], []
    for x in xs:
        state = stream.state
        stream.state = {name: np.zeros_like(a) if MEMORY.fullmatch(name) else a for name, a in state.items()}
        stream.step(x)
        alone.append(np.atleast_2d(stream.state[layers[-1]])[-1])
        stream.state = state
        stream.step(x)
        states.append(np.atleast_2d(stream.state[layers[-1]])[-1])
    after, from_input = (np.array(rows, dtype=np.float64) for rows in (states, alone))
    return StreamTrace(answers, after, from_input, after - from_input)

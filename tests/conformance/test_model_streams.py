"""Streams of every estimator, cell and option: after t steps the answer of `predict` for t steps."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import unrolled as ur
from unrolled import kernels

pytestmark = [
    pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed"),
    pytest.mark.filterwarnings("ignore:.*read as"),
]

F = 3
STEPS = (1, 2, 3, 4, 8, 9, 10, 17, 24)  # prefixes that are compared; 8 is the first reach of a stem


class Case(NamedTuple):
    """An estimator with its options, and the steps of its training sequences."""

    build: Callable[..., Any]
    options: dict[str, Any]
    steps: int = 24


CLASSIFIERS: dict[str, dict[str, Any]] = {
    "gru": {"pooling": "last+mean+max+attention"},
    "lstm": {"cell": "lstm", "num_layers": 2, "pooling": "attention"},
    "rnn": {"cell": "rnn", "activation": "elu", "stem": False, "pooling": "mean"},
    "ensemble": {"n_members": 3, "pooling": "max+last"},
    "reservoir": {"solver": "reservoir", "hidden_size": 40},
    "mask": {"missing": "forward+mask"},
    "forward": {"missing": "forward", "stem": False},
}
CASES = {
    **{f"classifier-{name}": Case(ur.SequenceClassifier, options) for name, options in CLASSIFIERS.items()},
    "classifier-strided": Case(
        ur.SequenceClassifier, {"cell": "lstm", "pooling": "last+mean+max+attention"}, steps=810
    ),
    "regressor": Case(ur.SequenceRegressor, {}),
    "regressor-reservoir": Case(ur.SequenceRegressor, {"solver": "reservoir", "hidden_size": 30}),
    "tagger": Case(ur.SequenceTagger, {"cell": "lstm"}),
    "tagger-reservoir": Case(ur.SequenceTagger, {"solver": "reservoir", "hidden_size": 30}),
}
every_case = pytest.mark.parametrize("name", CASES)


def sequences(n: int, steps: int, *, gaps: bool = False) -> list[NDArray[np.float64]]:
    """Random walks of about as many steps; some values missing, the first ones among them."""
    rng = np.random.default_rng(steps)
    made = [rng.normal(size=(steps - k % 3, F)).cumsum(0) for k in range(n)]
    if gaps:
        for x in made:
            x[rng.random(x.shape) < 0.4] = np.nan
            x[:2, 0], x[-1] = np.nan, 1.0
    return made


@cache
def fitted(name: str) -> Any:
    """The model of a case, trained for as long as weights need to differ from their start."""
    case = CASES[name]
    X = sequences(8, case.steps, gaps="missing" in case.options)
    options = {"hidden_size": 19, "max_epochs": 1, "n_members": 1, **case.options}
    if options.get("solver") == "reservoir":
        del options["max_epochs"]
    if case.build is ur.SequenceTagger:
        return case.build(**options).fit(X, [["ab"[k % 2] for k in range(len(x))] for x in X])
    return case.build(**options).fit(X, [0.0, 1.0, 2.0, 1.0] * 2)


def predicted(model: Any, x: NDArray[np.float64], steps: tuple[int, ...]) -> list[Any]:
    """Predictions for the first steps of a sequence, together in one batch."""
    if isinstance(model, ur.SequenceTagger):
        return [model.predict_proba([x], lengths=[len(x)])[0][t - 1] for t in steps]
    predict = model.predict if isinstance(model, ur.SequenceRegressor) else model.predict_proba
    return list(predict([x[:t] for t in steps], lengths=list(steps)))


@every_case
def test_a_stream_answers_as_predict_does_for_the_steps_so_far(name: str, instruction_set: str) -> None:
    """To the bit: alone, and among other streams of other lengths."""
    assert instruction_set == kernels.build_info()["instruction_set"]
    model, case = fitted(name), CASES[name]
    X = sequences(3, case.steps, gaps="missing" in case.options)
    stream, streams = model.stream(), ur.Streams(model, capacity=3)
    answers = [stream.step(x_t) for x_t in X[0]]
    first = streams.steps({k: x[: 5 * k] for k, x in enumerate(X)})
    second = streams.steps({k: x[5 * k :] for k, x in enumerate(X)})
    steps = (*STEPS[:-1], len(X[0]) - 1, len(X[0]))
    for t, expected in zip(steps, predicted(model, X[0], steps), strict=True):
        assert np.array_equal(answers[t - 1], expected), t
    for k, x in enumerate(X):
        together = np.concatenate([first[k], second[k]])
        assert np.array_equal(together[-1], predicted(model, x, (len(x),))[0])
        assert np.array_equal(together, model.stream().steps(x))
    assert streams.snapshot(0) == stream.snapshot()


@settings(max_examples=15)
@given(
    name=st.sampled_from(["classifier-gru", "classifier-mask", "classifier-strided", "tagger-reservoir"]),
    pieces=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    saved=st.integers(0, 8),
)
def test_any_split_into_calls_gives_the_same_answers(name: str, pieces: list[int], saved: int) -> None:
    """Steps, peeks, calls of any lengths, and a snapshot between two of them."""
    model, case = fitted(name), CASES[name]
    x = sequences(1, case.steps, gaps="missing" in case.options)[0][: sum(pieces)]
    stream, answers, begin = model.stream(), [], 0
    for k, count in enumerate(pieces):
        if k == saved:
            stream = model.stream(stream.snapshot())
        piece = x[begin : begin + count]
        if len(piece) == 1:
            peeked = stream.peek(piece[0])
            answers.append(stream.step(piece[0]))
            assert np.array_equal(peeked, answers[-1])
        else:
            answers.extend(stream.steps(piece))
        begin += count
    whole = model.stream().steps(x)
    assert len(answers) == len(whole)
    assert all(map(np.array_equal, answers, whole))

"""One step of an estimator as a module: its answers are those of the stream."""

from typing import Any

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.models.streaming.step_module import SequenceStep

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

TOLERANCE = 2e-5  # float32, where the stream reads out in float64
N_STEPS = 40  # more than the stem of short sequences looks back
SMALL: dict[str, Any] = {"hidden_size": 5, "max_epochs": 1, "n_members": 1, "random_state": 0}


def _fitted(kind: Any, T: int, **options: Any) -> Any:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(T, 2)).cumsum(0) for _ in range(6)]
    y: Any = {"SequenceRegressor": np.arange(6.0), "SequenceTagger": [["a", "b"] * (T // 2)] * 6}
    if options.get("solver") == "reservoir":
        return kind(hidden_size=20, random_state=0, **options).fit(X, np.arange(6.0))
    return kind(**SMALL | options).fit(X, y.get(kind.__name__, ["a", "b", "c"] * 2))


CASES: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "classifier": (ur.SequenceClassifier, 20, {"n_members": 2}),
    "blocks": (ur.SequenceClassifier, 450, {"cell": "lstm", "pooling": "mean+max", "num_layers": 2}),
    "attention": (ur.SequenceClassifier, 60, {"cell": "rnn", "pooling": "last+attention"}),
    "regressor": (ur.SequenceRegressor, 30, {"pooling": "mean"}),
    "tagger": (ur.SequenceTagger, 20, {}),
    "reservoir": (ur.SequenceRegressor, 30, {"solver": "reservoir"}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_answers_as_the_stream(case: str) -> None:
    """Of two rows that began at different times, each as its own stream."""
    kind, T, options = CASES[case]
    model, rng = _fitted(kind, T, **options), np.random.default_rng(1)
    x = rng.normal(size=(2, N_STEPS, 2)).cumsum(1).astype(np.float32)
    step = SequenceStep(model)
    begun, new = step(torch.from_numpy(x[:1, 0]), *step.initial_state())[1:], step.initial_state()
    axes = [
        next(axis for axis in range(part.ndim) if part.shape[axis] != more.shape[axis])
        for part, more in zip(new, step.initial_state(2), strict=True)
    ]
    state: Any = [torch.cat(pair, axis) for *pair, axis in zip(begun, new, axes, strict=True)]
    streams = [model.stream(), model.stream()]
    streams[0].step(x[0, 0])
    for t in range(1, N_STEPS):
        with torch.no_grad():
            answer, *state = step(torch.from_numpy(np.stack([x[0, t], x[1, t - 1]])), *state)
        expected = np.stack([streams[0].step(x[0, t]), streams[1].step(x[1, t - 1])])
        np.testing.assert_allclose(answer, expected, atol=TOLERANCE * max(1, np.abs(expected).max()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_onnx_runtime_runs_a_thousand_steps() -> None:
    """A classifier with its stem, through torch's exporter."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model = _fitted(ur.SequenceClassifier, 20, n_members=2)
    step, x = SequenceStep(model), np.random.default_rng(1).normal(size=(1000, 1, 2)).astype(np.float32)
    state: Any = step.initial_state()
    program = torch.onnx.export(step, (torch.from_numpy(x[0]), *state), dynamo=True)
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]
    state, stream = [part.numpy() for part in state], model.stream()
    for x_t in x:
        answer, *state = session.run(None, dict(zip(names, [x_t, *state], strict=True)))
        np.testing.assert_allclose(answer[0], stream.step(x_t[0]), atol=TOLERANCE)


def test_what_has_no_such_step_is_refused() -> None:
    """With the reason of the stream, or its own."""
    for model, why in [
        (_fitted(ur.SequenceClassifier, 20, bidirectional=True), "reads from the end"),
        (_fitted(ur.SequenceClassifier, 20, missing="forward"), "missing=None"),
        (
            ur.Forecaster(horizon=2, hidden_size=4, max_steps=1, window=6).fit(np.arange(40.0)),
            "only Sequence",
        ),
    ]:
        with pytest.raises(ArgumentError, match=why):
            SequenceStep(model)
    for model, got in [(None, "a NoneType"), (ur.SequenceTagger, "the class SequenceTagger")]:
        with pytest.raises(ArgumentError, match=f"expected a fitted estimator of sequences, got {got}"):
            SequenceStep(model)

"""Contents of the page about a model: its facts, and traces of its streams."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from unrolled.errors import StreamError, UnrolledError
from unrolled.models.streaming.snapshots import model_hash
from unrolled.models.streaming.streams import Stream
from unrolled.models.streaming.trace import trace
from unrolled.stream.session import answer_list

MOST_STEPS = 1000  # of one trace


class Tracer:
    """Trace steps of a model from a snapshot on, moving no stream of the server.

    Args:
        model: a fitted model that can be streamed.
        digest: its hash where it is known, so that it is computed once.
        options: as for `model.stream`.

    >>> import unrolled as ur
    >>> X = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    >>> model = ur.SequenceClassifier(hidden_size=8, n_members=1, max_epochs=2).fit(X, ["up", "down"])
    >>> tracer = Tracer(model)
    >>> tracer.facts()["classes"], tracer.facts()["inputs"]
    (['down', 'up'], ['x1'])
    >>> first = tracer(None, [[1.0], [2.0]])
    >>> sorted(first), len(first["state"]), len(first["state"][0])
    (['input', 'memory', 'snapshot', 'state', 'y'], 2, 8)
    >>> tracer(first["snapshot"], [[3.0]])["y"] == tracer(None, [[1.0], [2.0], [3.0]])["y"][2:]
    True
    """

    def __init__(self, model: Any, *, digest: str | None = None, **options: Any) -> None:
        self._model, self._options = model, options
        self._digest = digest or model_hash(model)

    def facts(self) -> dict[str, Any]:
        """Describe the model: what it reads, what its answers are, how many networks it has."""
        model, facts = self._model, dict(self._model.summary())
        width = model.stream_states(1, **self._options).width
        is_forecast = hasattr(model, "horizon")
        classes = None if is_forecast else model.output_classes()
        inputs = [str(name) for name in getattr(model, "feature_names_in_", ())]
        return {
            "words": f"{type(model).__name__}: {facts['Network']}, fitted on {facts['Fitted on']}",
            "kind": "forecast" if is_forecast else "number" if classes is None else "classes",
            "classes": [] if classes is None else [str(label) for label in classes],
            "inputs": inputs if len(inputs) == width else [f"x{k + 1}" for k in range(width)],
            "networks": len(model.networks_),
        }

    def __call__(self, snapshot: str | None, xs: Any, network: int = 0) -> dict[str, Any]:
        """Trace steps.

        Args:
            snapshot: state to begin from, in base64; None for the one before the first step.
            xs: (n, F) values.
            network: whose units, from 0.

        Returns:
            y, a list of answers; state, input and memory, each (n, H); snapshot, after the last step.

        Raises:
            StreamError: the snapshot or the values cannot be used.
        """
        if len(xs) > MOST_STEPS:
            raise StreamError(f"x: expected at most {MOST_STEPS} steps, got {len(xs)}. Send them in parts.")
        try:
            blob = None if snapshot is None else b64decode(snapshot, validate=True)
            stream = Stream(self._model, self._model.stream_states(1, **self._options), self._digest)
            if blob is not None:
                stream.restore(blob)
        except (ValueError, UnrolledError) as fault:
            raise StreamError(f"snapshot: {fault}", "other_model") from fault
        try:
            traced = trace(stream, xs, network=network)
        except UnrolledError as fault:
            raise StreamError(str(fault), "bad_input") from fault
        return {
            "y": answer_list(traced.answers),
            "state": traced.states.tolist(),
            "input": traced.from_input.tolist(),
            "memory": traced.from_memory.tolist(),
            "snapshot": b64encode(stream.snapshot()).decode(),
        }

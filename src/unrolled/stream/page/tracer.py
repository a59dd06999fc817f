"""Contents of the page about a model: its facts, and traces of its streams."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from unrolled.errors import StreamError, UnrolledError
from unrolled.models.forecasting.stream import EACH
from unrolled.models.streaming.snapshots import model_hash
from unrolled.models.streaming.streams import Stream
from unrolled.models.streaming.trace import trace
from unrolled.stream.answers import answer_list
from unrolled.stream.replies import check_events

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

    _rows_at_once = MOST_STEPS

    def __init__(self, model: Any, *, digest: str | None = None, **options: Any) -> None:
        self._model, self._options = model, options
        self._digest = digest or model_hash(model)

    def facts(self) -> dict[str, Any]:
        """Describe the model: what it reads, what its answers are, how many networks it has."""
        model = self._model
        kind, classes = self._answers_of_model()
        needs_start = self._options.get("start") == EACH and self._new_states().has_calendar
        facts = dict(model.summary())
        source = f", fitted on {facts['Fitted on']}" if "Fitted on" in facts else ""
        return {
            "words": f"{type(model).__name__}: {facts['Network']}{source}",
            "reads": "values",
            "kind": kind,
            "classes": classes,
            "inputs": self._inputs(),
            "networks": len(model.networks_),
            "needs_start": needs_start,
        }

    def __call__(
        self, snapshot: str | None, x: Any, network: int = 0, start: str | None = None
    ) -> dict[str, Any]:
        """Trace steps.

        Args:
            snapshot: state to begin from, in base64; None for the one before the first step.
            x: of n steps, as a message has them.
            network: whose units, from 0.
            start: time of the first step, where streams have times of their own and there is no snapshot.

        Returns:
            y, a list of answers; state, input and memory, each (n, H); snapshot, after the last step.

        Raises:
            StreamError: the snapshot or the values cannot be used.
        """
        stream = self._stream_at(snapshot, start)
        rows = self._rows(x)
        require_few_steps(len(rows))
        columns: dict[str, list[Any]] = {name: [] for name in ("y", "state", "input", "memory")}
        for first in range(0, len(rows), self._rows_at_once):
            try:
                traced = trace(stream, rows[first : first + self._rows_at_once], network=network)
            except UnrolledError as fault:
                raise StreamError(str(fault), "bad_input") from fault
            columns["y"] += self._listed(traced.answers)
            columns["state"] += traced.states.tolist()
            columns["input"] += traced.from_input.tolist()
            columns["memory"] += traced.from_memory.tolist()
        snapshot = b64encode(stream.snapshot()).decode()
        return {**columns, "snapshot": snapshot, **self._columns(rows)}

    def _new_states(self) -> Any:
        return self._model.stream_states(1, **self._options)

    def _stream_at(self, snapshot: str | None, start: str | None) -> Any:
        """Make a stream that goes on from a snapshot in base64, or begins at a time."""
        states = self._new_states()
        stream = Stream(self._model, states, self._digest)
        if snapshot is not None:
            restore(stream, snapshot)
        elif start is not None:
            require_times(states)
            try:
                stream.state = states.starting_at(start)
            except UnrolledError as fault:
                raise StreamError(str(fault)) from fault
        return stream

    def _inputs(self) -> list[str]:
        """Return the names of the values of a step."""
        width = self._new_states().width
        names = [str(name) for name in getattr(self._model, "feature_names_in_", ())]
        return names if len(names) == width else [f"x{k + 1}" for k in range(width)]

    def _rows(self, x: Any) -> Any:
        """Convert the x of a message to the rows of its steps."""
        return check_events(x)

    def _columns(self, rows: Any) -> dict[str, Any]:  # noqa: ARG002 (of texts and sound)
        """Return what else is drawn of the steps."""
        return {}

    def _listed(self, answers: Any) -> Any:
        """Convert answers to a list with one item a step."""
        return answer_list(answers)

    def _answers_of_model(self) -> tuple[str, list[str]]:
        """Return the kind of the answers, and the classes where there are any."""
        if hasattr(self._model, "horizon"):
            return "forecast", []
        classes = self._model.output_classes()
        return ("number", []) if classes is None else ("classes", [str(label) for label in classes])


def require_few_steps(n: int) -> None:
    """Pass if a trace of so many steps can be drawn.

    Raises:
        StreamError: there are more.
    """
    if n > MOST_STEPS:
        raise StreamError(f"x: expected at most {MOST_STEPS} steps, got {n}. Send them in parts.")


def require_times(states: Any) -> None:
    """Pass if streams with these states have times.

    Raises:
        StreamError: they have none.
    """
    if not hasattr(states, "starting_at"):
        raise StreamError("start: expected none, for streams of this model have no times. Leave it out.")


def restore(stream: Any, snapshot: str) -> None:
    """Let a stream go on from a snapshot in base64.

    Raises:
        StreamError: it is none of this model.
    """
    try:
        stream.restore(b64decode(snapshot, validate=True))
    except (ValueError, UnrolledError) as fault:
        raise StreamError(f"snapshot: {fault}", "other_model") from fault

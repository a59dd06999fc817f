"""Consume a Kafka topic with a live stream a key: its state is committed together with the offsets.

    pip install unrolled quixstreams
    python examples/kafka_consumer.py localhost:9092 model

Messages of the topic "readings" are JSON, {"x": [0.3, 1.2]}, their key the name of the stream; answers go to
"answers". Not run against a broker: the tests run `Stepper` on a state of their own, and the calls of Quix
Streams 3.28 were run with its look-up of topics and its loop replaced.
"""

import sys
from typing import Any

import unrolled as ur


class Stepper:
    """Step the stream of a key from its stored state, and store the state after it."""

    def __init__(self, model: Any) -> None:
        self._stream = model.stream()

    def __call__(self, message: dict[str, Any], state: Any) -> dict[str, Any]:
        """Answer one message; state is that of its key."""
        blob = state.get_bytes("stream")
        self._stream.reset() if blob is None else self._stream.restore(blob)
        answer = self._stream.step(message["x"])
        state.set_bytes("stream", self._stream.snapshot())
        return {"y": answer.tolist()}


def main(broker: str, folder: str) -> None:
    """Consume until a signal."""
    from quixstreams import Application

    app = Application(
        broker, consumer_group="unrolled", processing_guarantee="exactly-once", auto_offset_reset="earliest",
        auto_recover_from_source_offset_out_of_range=False,  # by default it deletes states that are too old
    )  # fmt: skip
    readings = app.dataframe(app.topic("readings", value_deserializer="json"))
    answers = readings.apply(Stepper(ur.SequenceClassifier.load(folder)), stateful=True)
    answers.to_topic(app.topic("answers", value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:3])

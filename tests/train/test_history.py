"""A history is plain records that survive JSON."""

import json

from unrolled.train.history import Epoch, History

EPOCHS = (Epoch(1, 0.9, None, 0.01, 0.2), Epoch(2, 0.5, 0.6, 0.005, 0.3))


def test_a_history_survives_json() -> None:
    """Equal after the way to text and back, a missing validation loss included."""
    history = History(EPOCHS, 2, "early", 0.5)
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    assert history.best == EPOCHS[1]
    assert history.kind == "history"


def test_a_history_is_a_frame_with_a_row_an_epoch() -> None:
    """Its columns are those of an epoch."""
    frame = History(EPOCHS, 2, "finished", 0.5).to_frame()
    assert list(frame.columns) == ["epoch", "train_loss", "validation_loss", "learning_rate", "seconds"]
    assert frame["train_loss"].tolist() == [0.9, 0.5]

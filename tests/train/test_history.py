"""A history is plain records that survive JSON."""

import json

from unrolled.train.history import History, TrainingRecord

EPOCHS = (TrainingRecord(1, 0.9, None, 0.01, 0.2), TrainingRecord(2, 0.5, 0.6, 0.005, 0.3))


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


def test_a_history_is_one_line_of_how_it_ended() -> None:
    """Epochs, seconds, and the loss of the epoch whose weights were kept."""
    epochs = (TrainingRecord(1, 0.5, 0.6, 0.01, 0.1), TrainingRecord(2, 0.4, 0.7, 0.01, 0.1))
    assert repr(History(epochs, 1, "early", 75.0)) == (
        "<history: Training stopped early after 2 epochs in 1 min 15 s; epoch 1 was kept: "
        "validation loss 0.6.>"
    )
    without = (TrainingRecord(1, 0.5, None, 0.01, 0.1),)
    assert "ran to its end after 1 epoch in" in History(without, 1, "finished", 2.0).sentence
    assert History(without, 1, "interrupted", 2.0).sentence.endswith("training loss 0.5.")

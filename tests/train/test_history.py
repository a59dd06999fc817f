"""A history is plain records that survive JSON."""

import json

from unrolled.train.history import History, TrainingRecord

RECORDS = (
    TrainingRecord(5, 1.0, 0.9, None, 0.01, 0.2),
    TrainingRecord(10, 2.0, 0.5, 0.6, 0.005, 0.3),
)


def test_a_history_survives_json() -> None:
    """Equal after the way to text and back, a missing validation loss included."""
    history = History(RECORDS, 10, "early", 0.5, "epoch")
    record = json.loads(json.dumps(history.to_dict()))
    assert record["kind"] == "history"
    assert History.from_dict(record) == history
    assert history.best == RECORDS[1]


def test_a_history_is_a_frame_with_a_row_a_check() -> None:
    """Its columns are those of a record."""
    frame = History(RECORDS, 10, "finished", 0.5).to_frame()
    assert list(frame.columns) == [
        "step", "epoch", "train_loss", "validation_loss", "learning_rate", "seconds",
    ]  # fmt: skip
    assert frame["train_loss"].tolist() == [0.9, 0.5]


def test_a_history_counts_in_its_unit() -> None:
    """Two epochs of five steps are two, or ten."""
    by_epoch, by_step = (History(RECORDS, 5, "finished", 0.5, unit) for unit in ("epoch", "step"))
    assert (by_epoch.count, by_epoch.best_count) == (2, 1)
    assert (by_step.count, by_step.best_count) == (10, 5)


def test_a_history_is_one_line_of_how_it_ended() -> None:
    """Epochs, seconds, and the loss of the epoch whose weights were kept."""
    first, second = TrainingRecord(4, 1.0, 0.5, 0.6, 0.01, 0.1), TrainingRecord(8, 2.0, 0.4, 0.7, 0.01, 0.1)
    assert repr(History((first, second), 4, "early", 75.0, "epoch")) == (
        "<history: Training stopped early after 2 epochs in 1 min 15 s; epoch 1 was kept: "
        "validation loss 0.6.>"
    )
    without = (TrainingRecord(1, 1.0, 0.5, None, 0.01, 0.1),)
    assert "ran to its end after 1 epoch in" in History(without, 1, "finished", 2.0, "epoch").sentence
    assert History(without, 1, "interrupted", 2.0).sentence.endswith("training loss 0.5.")
    steps = (TrainingRecord(1, 0.3, 0.5, None, 0.01, 0.1), TrainingRecord(2, 0.6, 0.4, None, 0.01, 0.1))
    assert "after 2 steps in" in History(steps, 2, "finished", 2.0).sentence

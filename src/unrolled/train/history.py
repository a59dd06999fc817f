"""What happened in a training, as plain records."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from unrolled.formatting import duration, number, quantity
from unrolled.record import Record

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TrainingRecord:
    """One epoch: losses are means over its windows, seconds its wall time with validation."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class History(Record):
    """One training, a `TrainingRecord` each.

    Args:
        epochs: in order, counted from 1.
        best_epoch: the one whose weights were kept: the lowest validation loss, else the last.
        stopped: "finished" all epochs, "early" for want of progress, or "interrupted" by Ctrl-C.
        seconds: wall time in all.

    >>> first, second = TrainingRecord(1, 0.5, 0.6, 0.01, 0.1), TrainingRecord(2, 0.4, 0.7, 0.01, 0.1)
    >>> history = History((first, second), 1, "early", 0.2)
    >>> history.best.validation_loss
    0.6
    """

    kind: ClassVar[str] = "history"

    epochs: tuple[TrainingRecord, ...]
    best_epoch: int
    stopped: Literal["finished", "early", "interrupted"]
    seconds: float

    @property
    def best(self) -> TrainingRecord:
        """The epoch whose weights were kept."""
        return self.epochs[self.best_epoch - 1]

    @property
    def sentence(self) -> str:
        """How long it took, how it ended and what the kept epoch reached."""
        ending = {"finished": "ran to its end", "early": "stopped early", "interrupted": "was interrupted"}
        best = self.best
        validation = best.validation_loss
        loss, data = (best.train_loss, "training") if validation is None else (validation, "validation")
        return (
            f"Training {ending[self.stopped]} after {quantity(len(self.epochs), 'epoch')} in "
            f"{duration(self.seconds)}; epoch {self.best_epoch} was kept: {data} loss {number(loss)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> History:
        """The history that `to_dict` wrote."""
        epochs = tuple(TrainingRecord(**epoch) for epoch in record["epochs"])
        return cls(epochs, record["best_epoch"], record["stopped"], record["seconds"])

    def to_frame(self) -> pd.DataFrame:
        """One row an epoch."""
        import pandas as pd  # noqa: PLC0415 (a frame is the only thing here that needs it)

        return pd.DataFrame([asdict(epoch) for epoch in self.epochs])

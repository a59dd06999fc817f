"""Records of a training: its losses check by check, and how it ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from unrolled.formatting import duration, number, quantity
from unrolled.record import Record

if TYPE_CHECKING:
    import pandas as pd


Unit = Literal["epoch", "step"]
Ending = Literal["finished", "early", "interrupted"]


@dataclass(frozen=True)
class TrainingRecord:
    """One check of a training.

    Args:
        step: steps of the optimizer so far.
        epoch: passes over the training data so far; a whole number where every check ends a pass.
        train_loss: mean over the steps since the check before.
        validation_loss: mean over the validation set; None without one.
        learning_rate: of the latest step.
        seconds: wall time since the check before, with validation.
    """

    step: int
    epoch: float
    train_loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class History(Record):
    """One training, a `TrainingRecord` for each check.

    Args:
        records: in order.
        best_step: the step whose weights were kept: the lowest validation loss, else the last.
        stopped: "finished" all steps, "early" for want of progress, or "interrupted" by Ctrl-C.
        seconds: wall time in all.
        unit: what it is counted in: epochs, where every check ends one, or steps.

    >>> first = TrainingRecord(8, 1.0, 0.5, 0.6, 0.01, 0.1)
    >>> history = History((first, TrainingRecord(16, 2.0, 0.4, 0.7, 0.01, 0.1)), 8, "early", 0.2, "epoch")
    >>> history.best.validation_loss, history.best_count, history.count
    (0.6, 1, 2)
    """

    kind: ClassVar[str] = "history"

    records: tuple[TrainingRecord, ...]
    best_step: int
    stopped: Ending
    seconds: float
    unit: Unit = "step"

    @property
    def best(self) -> TrainingRecord:
        """Record of the weights that were kept."""
        return next(record for record in self.records if record.step == self.best_step)

    @property
    def count(self) -> int:
        """Epochs or steps in all, as `unit` says."""
        return self.position(self.records[-1])

    @property
    def best_count(self) -> int:
        """Epoch or step whose weights were kept, as `unit` says."""
        return self.position(self.best)

    def position(self, record: TrainingRecord) -> int:
        """Return the epoch or the step of a record, as `unit` says."""
        return int(record.epoch) if self.unit == "epoch" else record.step

    @property
    def sentence(self) -> str:
        """Duration, ending and loss of the kept weights, in words."""
        ending = {"finished": "ran to its end", "early": "stopped early", "interrupted": "was interrupted"}
        best = self.best
        validation = best.validation_loss
        loss, data = (best.train_loss, "training") if validation is None else (validation, "validation")
        return (
            f"Training {ending[self.stopped]} after {quantity(self.count, self.unit)} in "
            f"{duration(self.seconds)}; {self.unit} {self.best_count} was kept: {data} loss {number(loss)}."
        )

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> History:
        """Return the history that `to_dict` wrote."""
        values = {name: value for name, value in record.items() if name != "kind"}
        return cls(**values | {"records": tuple(TrainingRecord(**each) for each in record["records"])})

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each check."""
        import pandas as pd  # noqa: PLC0415 (a frame is the only thing here that needs it)

        return pd.DataFrame([asdict(record) for record in self.records])

"""Arguments of `compare` beside the model and its data, checked in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.errors import ArgumentError
from unrolled.validation import ErrorCollector, check_choices, check_float, check_int

DEFAULT_FOLDS = 5


@dataclass(frozen=True, eq=False)
class ComparisonArguments:
    """Arguments of `compare`, as they were given.

    Args:
        test: the test set; None for folds, or a part of X.
        folds: of the cross-validation; None for 5, or as many as can be.
        groups: of the sequences.
        lengths: of padded arrays.
        baselines: names; None for all.
        level: of the confidence intervals, in per cent.
    """

    test: Any = None
    folds: int | None = None
    groups: Any = None
    lengths: Any = None
    baselines: str | Sequence[str] | None = None
    level: float = 95

    @property
    def is_explicit(self) -> bool:
        """True where the caller named the baselines: then none is left out for taking long."""
        return self.baselines is not None

    def baseline_names(self, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the baselines, all for None; folds and level must be in their ranges.

        Raises:
            ArgumentError: an argument is out of range, each on a line of its own.

        >>> ComparisonArguments(baselines="gzip").baseline_names(["character n-gram", "gzip"])
        ('gzip',)
        """
        errors = ErrorCollector()
        if self.folds is not None:
            errors.collect(check_int, "folds", self.folds, least=2)
        errors.collect(check_float, "level", self.level, above=0, below=100)
        names: tuple[str, ...] | None = tuple(allowed)
        if self.baselines is not None:
            names = errors.collect(
                check_choices, "baselines", self.baselines, tuple(allowed),
                needed="a score means nothing without one",
            )  # fmt: skip
        errors.raise_if_any()
        assert names is not None
        return names

    def refuse(self, *names: str, of: str) -> None:
        """Refuse those of these arguments that are given.

        Args:
            names: of the arguments.
            of: what is compared, for which they have no meaning.

        Raises:
            ArgumentError: one is given.

        >>> ComparisonArguments(folds=3).refuse("groups", "lengths", of="translations")
        """
        for name in names:
            if getattr(self, name) is not None:
                raise ArgumentError(f"{name}: a comparison of {of} has no use for it. Leave it out.")


def check_test_set(test: Any) -> tuple[Any, Any, Any]:
    """Return X, y and lengths of a test set of sequences; None for lengths where it is a pair.

    Raises:
        ArgumentError: it is neither.

    >>> check_test_set(([[1.0, 2.0]], [0]))
    ([[1.0, 2.0]], [0], None)
    """
    if not isinstance(test, tuple | list) or len(test) not in (2, 3):
        got = f"{len(test)} parts" if isinstance(test, tuple | list) else type(test).__name__
        raise ArgumentError(f"test: expected (X_test, y_test), or with lengths_test as third, got {got}.")
    X, y, lengths = (*test, None)[:3]
    return X, y, lengths


def check_pair(test: Any) -> tuple[Any, Any]:
    """Return X and y of a test set.

    Raises:
        ArgumentError: it is no pair.

    >>> check_pair((["a text"], ["good"]))
    (['a text'], ['good'])
    """
    if not isinstance(test, tuple | list) or len(test) != 2:
        got = f"{len(test)} parts" if isinstance(test, tuple | list) else type(test).__name__
        raise ArgumentError(f"test: expected a pair (X_test, y_test), got {got}.")
    return test[0], test[1]

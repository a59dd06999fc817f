"""Constraint on a parameter that is a fitted language model, as the encoder of a classifier is."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import Any

from unrolled.errors import ArgumentError
from unrolled.models.parameters import Constraint
from unrolled.models.text.language.language_model import LanguageModel


@dataclass(frozen=True)
class FittedLanguageModel(Constraint):
    """Fitted LanguageModel, or one that scikit-learn's FrozenEstimator holds."""

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is a LanguageModel that was fitted."""
        value = unfrozen(value)
        if inspect.isclass(value):
            raise ArgumentError(
                f"{name}: expected a fitted LanguageModel, got the class {value.__name__}. Fit one: "
                "LanguageModel(unit='word').fit(texts)."
            )
        if not isinstance(value, LanguageModel):
            raise ArgumentError(f"{name}: expected a fitted LanguageModel, got {type(value).__name__}.")
        if not value.__sklearn_is_fitted__():
            raise ArgumentError(
                f"{name}: expected a fitted LanguageModel, got one that is not. Fit it first; in a grid of "
                "scikit-learn, which copies models without what they learned, give FrozenEstimator(model)."
            )


def unfrozen(model: Any) -> Any:
    """Return the model that scikit-learn's FrozenEstimator holds; any other as it is.

    >>> unfrozen(3)
    3
    """
    frozen = sys.modules.get("sklearn.frozen")
    is_frozen = frozen is not None and isinstance(model, frozen.FrozenEstimator)
    return model.estimator if is_frozen else model

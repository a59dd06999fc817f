"""Unwrap the model that scikit-learn's pipelines and searches, and skorch's nets, hold inside."""

from __future__ import annotations

from typing import Any

from torch import nn

from unrolled.errors import NotFittedError


def unwrap_model(model: Any, X: Any = None, *, caller: str = "probe") -> tuple[Any, Any]:
    """Return the estimator or module inside a model, and X as that reads it.

    A search (GridSearchCV) stands for its best estimator, a pipeline for its last step, behind whose others X
    is transformed, and a skorch net for its module. Any other model is returned as it is.

    Raises:
        NotFittedError: the search, the pipeline or the net is not fitted.

    >>> from sklearn.pipeline import make_pipeline
    >>> from unrolled import SequenceClassifier
    >>> pipeline = make_pipeline(SequenceClassifier(max_epochs=1)).fit([[1, 2], [2, 1]], [0, 1])
    >>> unwrap_model(pipeline, [[1, 2]])
    (SequenceClassifier(max_epochs=1), [[1, 2]])
    """
    while not (isinstance(model, nn.Module | type)):
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "named_steps"):
            model, X = _last_step(model, X, caller)
        elif isinstance(getattr(model, "module_", None), nn.Module):
            model = model.module_
        else:
            break
    _require_inside(model, caller)
    return model, X


def _last_step(pipeline: Any, X: Any, caller: str) -> tuple[Any, Any]:
    """Return the last step of a pipeline, and X behind its other steps."""
    if X is not None and len(pipeline.steps) > 1:
        try:
            X = pipeline[:-1].transform(X)
        except ValueError as fault:
            if type(fault).__name__ != "NotFittedError":
                raise
            raise NotFittedError(
                f"{caller}: the {type(pipeline).__name__} is not fitted yet. Call fit(X, y) first."
            ) from fault
    return pipeline.steps[-1][1], X


def _require_inside(model: Any, caller: str) -> None:
    """Pass if the model is no search or net that still lacks what `fit` puts inside."""
    if isinstance(model, nn.Module | type):
        return
    is_search = hasattr(model, "estimator") and hasattr(model, "refit")
    if is_search and hasattr(model, "cv_results_"):
        raise NotFittedError(
            f"{caller}: expected a {type(model).__name__} that keeps its best estimator, got "
            f"refit={model.refit!r}. Fit it with refit=True."
        )
    if is_search or (hasattr(model, "module") and hasattr(model, "criterion")):
        raise NotFittedError(f"{caller}: the {type(model).__name__} is not fitted yet. Call fit(X, y) first.")

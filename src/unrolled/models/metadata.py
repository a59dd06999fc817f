"""Metadata routing of scikit-learn: what `fit`, `predict` and `score` of an estimator request beside X and y.

scikit-learn is imported only when it asks, or when a request is set.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any, Self

_METHODS = ("fit", "predict", "predict_proba", "score")


class MetadataRequester:
    """Estimator whose methods request their arguments beside X and y, all of them by name."""

    def get_metadata_routing(self) -> Any:
        """Return the requests of each method, as scikit-learn's pipelines and searches read them."""
        if (requests := vars(self).get("_metadata_request")) is not None:
            return copy.deepcopy(requests)
        from sklearn.utils.metadata_routing import MetadataRequest  # noqa: PLC0415

        requests = MetadataRequest(owner=self)
        for method in _METHODS:
            for name in self._metadata_names(method):
                getattr(requests, method).add_request(param=name, alias=None)
        return requests

    def set_fit_request(self, **requests: bool | str | None) -> Self:
        """Say which arguments of `fit` are passed on by a pipeline or a search: `sample_weight=True`.

        Raises:
            RuntimeError: metadata routing is not enabled in scikit-learn.
            TypeError: `fit` has no such argument.
        """
        return self._set_request("fit", requests)

    def set_predict_request(self, **requests: bool | str | None) -> Self:
        """Say which arguments of `predict` are passed on, such as `lengths=True`; see `set_fit_request`."""
        return self._set_request("predict", requests)

    def set_predict_proba_request(self, **requests: bool | str | None) -> Self:
        """Say which arguments of `predict_proba` are passed on; see `set_fit_request`."""
        return self._set_request("predict_proba", requests)

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Say which arguments of `score` are passed on; see `set_fit_request`."""
        return self._set_request("score", requests)

    def _pass_requests_on(self, copied: Self) -> Self:
        """Give a clone the requests that were set here, as scikit-learn does for those that it makes."""
        requests = {name: value for name, value in vars(self).items() if name == "_metadata_request"}
        vars(copied).update(copy.deepcopy(requests))
        return copied

    def _set_request(self, method: str, requests: dict[str, bool | str | None]) -> Self:
        from sklearn import get_config  # noqa: PLC0415

        if not get_config().get("enable_metadata_routing"):
            raise RuntimeError(
                "This method is only available when metadata routing is enabled. You can enable it using "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        names = self._metadata_names(method)
        if unexpected := set(requests) - set(names):
            raise TypeError(
                f"Unexpected args: {unexpected} in {method}. Accepted arguments are: {set(names)}"
            )
        routing = self.get_metadata_routing()
        for name, alias in requests.items():
            getattr(routing, method).add_request(param=name, alias=alias)
        self._metadata_request = routing
        return self

    @classmethod
    def _metadata_names(cls, method: str) -> list[str]:
        """List the arguments of a method beside X and y; none where there is no such method."""
        function = getattr(cls, method, None)
        names = [] if function is None else list(inspect.signature(function).parameters)
        return [name for name in names if name not in {"self", "X", "y"}]

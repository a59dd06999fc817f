"""What every estimator shares: scikit-learn's contract, and a folder on disk that holds no code."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.torch import load, save
from torch import Tensor

from unrolled import __version__
from unrolled.atomic_write import replace_folder
from unrolled.errors import ArgumentError, ModelLoadError, NotFittedError, StorageError, UnrolledError
from unrolled.train.device import check_device
from unrolled.validation import check_path, suggest_spelling

_TENSORS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_FORMAT = 2


class Estimator:
    """Constructor arguments are stored as given; what is learned ends in an underscore.

    A subclass names its arguments in `__init__` and stores each under its own name, so that
    `sklearn.clone`, `get_params`, pipelines and grid search work.
    """

    _fit_call = "fit(series)"  # what to do first

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn passes it)
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change some of the constructor's arguments.

        Raises:
            ArgumentError: there is no such argument; the nearest spelling is offered.
        """
        names = self._names()
        for name, value in params.items():
            if name not in names:
                offer = suggest_spelling(name, names)
                raise ArgumentError(f"{type(self).__name__}: there is no argument {name!r}.{offer}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = {n: p.default for n, p in inspect.signature(type(self).__init__).parameters.items()}
        changed = {n: v for n, v in self.get_params().items() if repr(v) != repr(defaults[n])}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn wants to know of an estimator; it is imported only when it asks."""
        from sklearn.utils import Tags, TargetTags  # noqa: PLC0415

        return Tags(estimator_type=None, target_tags=TargetTags(required=False))

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise _not_fitted(f"{type(self).__name__}: not fitted yet. Call {self._fit_call} first.")


def _not_fitted(sentence: str) -> NotFittedError:
    """Also scikit-learn's error of that name where scikit-learn is at work: its own code catches no other."""
    known = sys.modules.get("sklearn.exceptions")
    if known is None:
        return NotFittedError(sentence)
    # pickled, as when it comes back from a worker, it is made anew
    body = {"__module__": __name__, "__reduce__": lambda fault: (_not_fitted, fault.args)}
    both: type[NotFittedError] = type("NotFittedError", (NotFittedError, known.NotFittedError), body)
    return both(sentence)


class SavedEstimator(Estimator):
    """An estimator whose `save` writes a folder that `load` reads."""

    device: str

    @classmethod
    def load(cls, path: str | Path, *, device: str | None = None) -> Self:
        """The model that `save` wrote. Nothing in the folder is run.

        Args:
            path: its folder.
            device: where torch computes; None for where it did when the model was saved.

        Raises:
            ArgumentError: torch cannot use that device here.
            ModelLoadError: the folder or a file is missing, cut or altered, or holds something else.
        """
        tensors, config = load_model(path, cls.__name__)
        try:
            model = cls(**cls._given(config["params"]) | ({} if device is None else {"device": device}))
            check_device(model.device)
            model._restore(tensors, config)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as fault:
            if isinstance(fault, UnrolledError):
                raise
            raise ModelLoadError(
                f"{path}: the files are whole, but not what unrolled {__version__} reads "
                f"({type(fault).__name__}: {fault}); they were saved by {config.get('version', 'another')}. "
                "Load it with that version, or fit the model again."
            ) from fault
        return model

    @classmethod
    def _given(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The constructor's arguments, from what JSON made of them."""
        return params

    def _restore(self, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
        """Take what was learned from the parts of a saved model."""
        raise NotImplementedError


def save_model(path: str | Path, tensors: dict[str, Tensor], config: dict[str, Any], card: str) -> None:
    """Write weights, settings and a model card as one folder, whole or not at all.

    The settings hold a SHA-256 of the weights and of themselves, so that a cut or altered file is seen on
    loading.

    Raises:
        StorageError: the folder could not be written; what stood there before still stands.
    """

    def fill(new: Path) -> None:
        # not save_file: what it raises on a full disk is no OSError
        content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        (new / _TENSORS).write_bytes(content)
        body = {"format": _FORMAT, "weights": _digest(content), **config}
        body = json.loads(json.dumps(body, default=_plain))
        sealed = {"sha256": _digest(json.dumps(body).encode()), **body}
        (new / _CONFIG).write_text(json.dumps(sealed, indent=1))
        (new / _CARD).write_text(card)

    require_replaceable(path)
    replace_folder(path, fill)


def require_replaceable(path: str | Path) -> None:
    """Pass if a model can be saved there without losing anything else.

    Raises:
        StorageError: there is a folder that holds more than a saved model.
    """
    folder = check_path("save path", path)
    if not folder.is_dir():
        return
    names = _names_together(folder)
    others = sorted(names - {_TENSORS, _CONFIG, _CARD} if {_TENSORS, _CONFIG} <= names else names)
    if others:
        some = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise StorageError(
            f"{path}: expected a new folder or a saved model, got a folder with other files ({some}). "
            "Name another."
        )


def _names_together(folder: Path) -> set[str]:
    """The names in one folder, though another process may put a new one in its place meanwhile."""
    while True:
        try:
            was = folder.stat()
            names = {inside.name for inside in folder.iterdir()}
            if os.path.samestat(was, folder.stat()):
                return names
        except FileNotFoundError:  # for a moment there may be none
            return set()


def load_model(path: str | Path, estimator: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_model` wrote; nothing in it is run.

    Raises:
        ModelLoadError: the folder or a file is missing, cut or altered, or holds another estimator.
    """
    folder = check_path("load path", path)
    if not folder.is_dir():
        raise ModelLoadError(f"{folder}: expected the folder of a saved model, found none. See model.save.")
    for name in (_CONFIG, _TENSORS):
        if not (folder / name).is_file():
            raise ModelLoadError(f"{folder}: {name} is missing. Save the model again, or restore the file.")
    content = b""
    try:
        config, content = _read_together(folder)
        sealed = json.loads(config)
        seal = sealed.pop("sha256")
        whole = {
            _CONFIG: _digest(json.dumps(sealed).encode()) == seal,
            _TENSORS: _digest(content) == sealed["weights"],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = {_CONFIG: False}
    for name, is_whole in whole.items():
        if not is_whole:
            raise ModelLoadError(
                f"{folder}: {name} is not the file that was saved, it was cut or altered. "
                "Save the model again, or restore the file."
            )
    if (sealed.get("format"), sealed.get("estimator")) != (_FORMAT, estimator):
        found = f"{sealed.get('estimator')}, format {sealed.get('format')}"
        raise ModelLoadError(f"{folder}: expected a {estimator}, format {_FORMAT}; found {found}.")
    return load(content), sealed


def _read_together(folder: Path) -> tuple[bytes, bytes]:
    """Settings and weights of one saving, though another process may save to the folder meanwhile."""
    config = (folder / _CONFIG).read_bytes()
    while True:
        content = (folder / _TENSORS).read_bytes()
        again = (folder / _CONFIG).read_bytes()
        if again == config:
            return config, content
        config = again


def saved_estimator_name(path: str | Path) -> str:
    """Which estimator a folder holds; empty where it does not tell, and `load_model` will say why."""
    try:
        return str(json.loads((Path(path) / _CONFIG).read_text())["estimator"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _plain(number: Any) -> Any:
    """NumPy's numbers, such as those of a grid of settings, as Python's."""
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"a saved model cannot hold {number!r}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

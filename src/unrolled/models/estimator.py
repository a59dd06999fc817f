"""Base classes of the estimators: scikit-learn's contract; ensembles of networks that are saved as data."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from unrolled import __version__
from unrolled.errors import ArgumentError, ModelLoadError, NotFittedError, TrainingError, UnrolledError
from unrolled.models.parameters import (
    Device,
    FloatRange,
    IntRange,
    RandomSource,
    RandomState,
    UnusedBeside,
    Verbosity,
    check_parameters,
    draw_seed,
    parameter_defaults,
)
from unrolled.models.persistence import (
    PLAIN,
    SavedField,
    load_model,
    pack_fields,
    record_field,
    save_model,
    unpack_fields,
)
from unrolled.models.streaming.streams import Stream
from unrolled.models.summary import Fact, fit_facts, model_card
from unrolled.train.checkpoint import select_prefix
from unrolled.train.device import check_device
from unrolled.train.history import History
from unrolled.validation import suggest_spelling


class Estimator:
    """Estimator whose constructor stores its arguments as given; what is learned ends in an underscore.

    A subclass annotates its parameters with their constraints, right above the constructor that names them.
    `get_params`, `set_params`, `sklearn.clone` and the check of all arguments at once come from that; see
    `unrolled.models.parameters` for an example.
    """

    _fit_call: ClassVar[str] = "fit(series)"  # what a user who has not fitted yet is told to call
    _unused: ClassVar[tuple[UnusedBeside, ...]] = ()  # parameters that do nothing beside others

    def _store_parameters(self, arguments: Mapping[str, Any]) -> None:
        """Store the constructor's arguments, its `locals()`, each under its own name.

        The constructor of a subclass may have other parameters: those of the base, which it passes on, are
        stored too.
        """
        vars(self).update({n: v for n, v in arguments.items() if n not in {"self", "__class__"}})

    def check_parameters(self) -> None:
        """Pass if all parameters are allowed.

        Raises:
            ArgumentError: some are not; each is named on a line of its own.
        """
        check_parameters(type(self), self.get_params(), self.unused_rules())

    @classmethod
    def unused_rules(cls) -> tuple[UnusedBeside, ...]:
        """Return the rules on parameters that do nothing beside others, those of the bases first."""
        return tuple(rule for base in reversed(cls.__mro__) for rule in vars(base).get("_unused", ()))

    @classmethod
    def defaults_beside(cls, parameter: str, value: str) -> dict[str, Any]:
        """Map the parameters that do nothing beside `parameter=value` to their defaults, all they may be.

        >>> from unrolled import SequenceClassifier
        >>> SequenceClassifier.defaults_beside("cell", "feedforward")
        {'activation': 'tanh', 'num_layers': 1, 'bidirectional': False, 'pooling': None}
        """
        defaults = parameter_defaults(cls)
        rules = [
            r for r in cls.unused_rules() if r.other == parameter and value in r.values and r.only is None
        ]
        return {name: defaults[name] for rule in rules for name in rule.names if name in defaults}

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn passes it)
        """Return the constructor's arguments by name."""
        return {name: getattr(self, name) for name in parameter_defaults(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Change some of the constructor's arguments.

        Raises:
            ArgumentError: there is no such argument; the nearest spelling is offered.
        """
        names = parameter_defaults(type(self))
        for name, value in params.items():
            if name not in names:
                offer = suggest_spelling(name, names)
                raise ArgumentError(f"{type(self).__name__}: there is no argument {name!r}.{offer}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = parameter_defaults(type(self))
        changed = {n: v for n, v in self.get_params().items() if repr(v) != repr(defaults[n])}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn, which is imported only when it asks."""
        from sklearn.utils import Tags, TargetTags  # noqa: PLC0415

        return Tags(estimator_type=None, target_tags=TargetTags(required=False))

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise _not_fitted(f"{type(self).__name__}: not fitted yet. Call {self._fit_call} first.")


def _not_fitted(sentence: str) -> NotFittedError:
    """Make an error that is also scikit-learn's, where it is loaded: its own code catches no other."""
    exceptions = sys.modules.get("sklearn.exceptions")
    if exceptions is None:
        return NotFittedError(sentence)
    # pickled, as when it comes back from a worker, it is made anew
    body = {"__module__": __name__, "__reduce__": lambda fault: (_not_fitted, fault.args)}
    both: type[NotFittedError] = type("NotFittedError", (NotFittedError, exceptions.NotFittedError), body)
    return both(sentence)


class NetworkEstimator(Estimator):
    """Estimator made of networks that differ in their seeds, which `save` writes and `load` reads.

    A subclass says how a network is built, which attributes it learns beside the networks, and `_facts`.
    """

    _network_class: ClassVar[Any]  # an nn.Module, made from one config
    _config_class: ClassVar[Any]  # a dataclass
    # attributes that are learned beside the networks, and how each is saved; a subclass adds its own
    _learned: ClassVar[dict[str, SavedField]] = {"history_": record_field(History), "seconds_": PLAIN}

    _models_among_parameters: ClassVar[dict[str, Any]] = {}  # their classes, by the parameter's name

    # parameters that several estimators have; a constructor without one of them leaves it out
    dropout: Annotated[float, FloatRange(least=0, below=1)]
    patience: Annotated[int | None, IntRange(least=1)]
    batch_size: Annotated[int | None, IntRange(least=1)]
    learning_rate: Annotated[float, FloatRange(above=0)]
    random_state: Annotated[RandomSource, RandomState()]
    device: Annotated[str, Device()]
    verbose: Annotated[bool | None, Verbosity()]
    networks_: tuple[Any, ...]
    history_: History
    seconds_: float

    _stream_states: ClassVar[Any] = None  # class of the states of live streams; None where there are none

    def stream(self, blob: bytes | None = None, **options: Any) -> Stream:
        """Return a live stream: one value in, one answer out, at the same cost every time.

        Args:
            blob: a snapshot to go on from; None to begin.
            options: of a Forecaster `window`, `series`, `start` and `adaptive`, described in
                `unrolled.models.forecasting.stream.ForecastStates`; of other estimators none.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: the model cannot be streamed, which the sentence explains; or `blob` is no bytes.
            DataError: the snapshot is not whole, of another format, or of another model.
        """
        stream = Stream(self, self.stream_states(1, **options))
        if blob is not None:
            stream.restore(blob)
        return stream

    def stream_states(self, capacity: int, **options: Any) -> Any:
        """Return the states of so many live streams: what `Streams` steps together."""
        if why := self.why_not_streamable():
            raise ArgumentError(f"{type(self).__name__}.stream: {why}")
        return self._stream_states(self, capacity, **options)

    def why_not_streamable(self) -> str:
        """Say in a sentence why this fitted model has no live streams; empty where it has."""
        self._require_fitted()
        if self._stream_states is None:
            return "estimators of this kind have no live streams. Call predict on all that has come so far."
        return str(self._stream_states.why_not_streamable(self))

    @classmethod
    def saved_fields(cls) -> dict[str, SavedField]:
        """Return the learned attributes beside the networks, and how each is saved."""
        return {
            name: field
            for base in reversed(cls.__mro__)
            for name, field in vars(base).get("_learned", {}).items()
        }

    def _set_learned(self, networks: tuple[nn.Module, ...], values: Mapping[str, Any]) -> None:
        """Take the result of a fit whole, and forget the one before.

        Called last: a fit that fails leaves the model as it was.
        """
        for name in self.saved_fields():
            vars(self).pop(name, None)
        vars(self).update(values, networks_=networks)

    @contextmanager
    def _name_remedies(self) -> Iterator[None]:
        """Name in the error of a failed training the parameters that would keep values small."""
        try:
            yield
        except TrainingError as fault:
            usual = {"activation": "tanh", "transform": "auto"}
            ways = [f"{name}={way!r}" for name, way in usual.items() if getattr(self, name, way) != way]
            raise TrainingError(f"{fault} Or choose {' or '.join(ways)}." if ways else str(fault)) from fault

    def _draw_seed(self) -> int:
        """Return the seed of a fit."""
        return draw_seed(self.random_state)

    @property
    def network_config_(self) -> Any:
        """Settings that each network is built from."""
        self._require_fitted()
        return self.networks_[0].config

    @property
    def n_parameters_(self) -> int:
        """Weights of one network."""
        self._require_fitted()
        return sum(parameter.numel() for parameter in self.networks_[0].parameters())

    def summary(self) -> tuple[Fact, ...]:
        """Describe what was fitted, as the model card, the report and the command line show it.

        Raises:
            NotFittedError: `fit` was not called.
        """
        self._require_fitted()
        common = fit_facts(
            n_parameters=self.n_parameters_,
            n_networks=len(self.networks_),
            seconds=self.seconds_,
            device=self.device,
            random_state=vars(self).get("seed_", self.random_state),
        )
        return (*self._facts(), *common)

    def _facts(self) -> tuple[Fact, ...]:
        """Describe what is this estimator's own."""
        raise NotImplementedError

    def _card_footer(self) -> str:
        """Say below the model card what the folder holds and how to judge the model."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Write the model as a folder of safetensors, JSON and a model card, whole or not at all.

        Raises:
            NotFittedError: `fit` was not called.
            StorageError: it could not be written; what stood at `path` before still stands.
        """
        self._require_fitted()
        card = model_card(f"A {type(self).__name__} of unrolled", self.summary(), self._card_footer())
        tensors, config = self.packed()
        save_model(path, tensors, config, card)
        return Path(path)

    def packed(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and settings as `save` writes them, those of a model among the parameters too."""
        records, tensors = pack_fields(self, self.saved_fields())
        for k, network in enumerate(self.networks_):
            tensors |= {f"network.{k}.{part}": tensor for part, tensor in network.state_dict().items()}
        params: dict[str, Any] = {}
        for name, value in self._saved_parameters().items():
            if isinstance(value, NetworkEstimator):
                parts, params[name] = value.packed()
                tensors |= {f"params.{name}.{part}": tensor for part, tensor in parts.items()}
            else:
                params[name] = _to_json(value)
        config = {
            "estimator": type(self).__name__,
            "version": __version__,
            "params": params,
            "learned": records,
            "networks": len(self.networks_),
            "network_config": asdict(self.network_config_),
        }
        return tensors, config

    def _saved_parameters(self) -> dict[str, Any]:
        """Return the parameters as they are saved."""
        return self.get_params()

    @classmethod
    def load(cls, path: str | Path, *, device: str | None = None) -> Self:
        """Read the model that `save` wrote. Nothing in the folder is run.

        Args:
            path: its folder.
            device: where torch computes; None for where it did when the model was saved.

        Raises:
            ArgumentError: torch cannot use that device here.
            ModelLoadError: the folder or a file is missing, cut or altered, or holds something else.
        """
        tensors, config = load_model(path, cls.__name__)
        try:
            model = cls.from_packed(tensors, config, device)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as fault:
            if isinstance(fault, UnrolledError):
                raise
            saved_by = config.get("version", "another version")
            way = "Fit" if saved_by == __version__ else "Load it with that version, or fit"
            raise ModelLoadError(
                f"{path}: the files are whole, but not what unrolled {__version__} reads "
                f"({type(fault).__name__}: {fault}); they were saved by {saved_by}. {way} the model again."
            ) from fault
        return model

    @classmethod
    def from_packed(cls, tensors: dict[str, Tensor], config: dict[str, Any], device: str | None) -> Self:
        """Make the model that `packed` described; see `load`."""
        params = {name: _from_json(value) for name, value in config["params"].items()}
        for name, kind in cls._models_among_parameters.items():
            if params[name] is not None:
                params[name] = kind.from_packed(
                    select_prefix(f"params.{name}.", tensors), config["params"][name], device
                )
        model = cls(**params | ({} if device is None else {"device": device}))
        check_device(model.device)
        model._restore(tensors, config)
        return model

    def _restore(self, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
        """Take what was learned from the parts of a saved model."""
        if config["networks"] < 1:
            raise ValueError(f"expected at least one network, got {config['networks']}")
        network_config = self._config_class(**config["network_config"])
        networks = [self._network_class(network_config) for _ in range(config["networks"])]
        for k, network in enumerate(networks):
            network.load_state_dict(select_prefix(f"network.{k}.", tensors))
        trained = tuple(network.eval().to(self.device) for network in networks)
        self._set_learned(trained, unpack_fields(config["learned"], tensors, self.saved_fields()))


def _to_json(value: Any) -> Any:
    """Write a mapping as pairs, whose keys JSON's own would make texts, a tuple as one, a path as its text.

    A generator of random numbers is none of that: `seed_` says what was drawn of it.
    """
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return {"tuple": list(value)}
    return {"pairs": list(value.items())} if isinstance(value, Mapping) else value


def _from_json(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if "tuple" in value:
        return tuple(value["tuple"])
    return dict(value["pairs"]) if "pairs" in value else value

"""Options and weights of RNN, GRU and LSTM: validation, parameters under torch's names, initialisation.

Shapes: F inputs, H hidden units, P projected units; L layers, D directions.
"""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.nn.layers.options import check_bool, check_dtype, warn_of_unused_dropout
from unrolled.validation import ErrorCollector, check_float, check_int

P = ParamSpec("P")

_CONSTANT_INITS = {"slope": 0.25, "gain": 1.0, "bias_cell": 0.0}  # by prefix; the slope is torch.nn.PReLU's


_SETTABLE = frozenset({"dropout", "recurrent_dropout", "zoneout", "batch_first"})  # a call reads them
_BUILT_IN = frozenset(
    {"input_size", "hidden_size", "num_layers", "proj_size", "bias", "bidirectional", "layer_norm"}
)


class TorchOperator(NamedTuple):
    """Operator of torch that runs a whole layer."""

    name: str
    run: Callable[..., tuple[Tensor, ...]]
    cudnn_mode: str


def reject_proj_size(build: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Any, P], None]:
    """Wrap a constructor so that proj_size raises an ArgumentError; the signature stays torch's."""

    @wraps(build)
    def checked(self: Any, /, *args: P.args, **settings: P.kwargs) -> None:
        size = settings.pop("proj_size", 0)
        if size != 0:
            name = type(self).__name__
            raise ArgumentError(f"{name} proj_size: only LSTM has proj_size, got {size!r}. Leave it out.")
        build(self, *args, **settings)

    return checked


class RecurrentParameters(nn.Module):
    """Options and weights of a recurrent layer; subclasses define the cell and the shapes of its weights."""

    _state_type: Any  # the cell's NamedTuples
    _weights_type: Any

    def _build(
        self, input_size: int, hidden_size: int, num_layers: int, *, bias: bool, batch_first: bool,
        dropout: float, bidirectional: bool, proj_size: int, device: Any, dtype: torch.dtype | None,
        recurrent_dropout: float, zoneout: Any, layer_norm: bool,
    ) -> None:  # fmt: skip
        """Validate and store the options, then create the weights; every constructor ends here."""
        name, faults = type(self).__name__, ErrorCollector()
        self.input_size = faults.collect(check_int, f"{name} input_size", input_size, least=1)
        self.hidden_size = faults.collect(check_int, f"{name} hidden_size", hidden_size, least=1)
        self.num_layers = faults.collect(check_int, f"{name} num_layers", num_layers, least=1)
        self.dropout = faults.collect(check_float, f"{name} dropout", dropout, least=0, most=1)
        most = None if self.hidden_size is None else self.hidden_size - 1
        self.proj_size = faults.collect(check_int, f"{name} proj_size", proj_size, least=0, most=most)
        faults.collect(check_dtype, f"{name} dtype", dtype)
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.recurrent_dropout = faults.collect(
            check_float, f"{name} recurrent_dropout", recurrent_dropout, least=0, most=1
        )
        self.zoneout = faults.collect(self._check_zoneout, zoneout)
        self.layer_norm = layer_norm
        for option in ("bias", "batch_first", "bidirectional", "layer_norm"):
            faults.collect(check_bool, f"{name} {option}", getattr(self, option))
        faults.collect(getattr, self, "_cell")  # raises for an unknown nonlinearity
        faults.raise_if_any()
        is_wrapped = hasattr(type(self).__init__, "__wrapped__")  # see reject_proj_size
        warn_of_unused_dropout(name, dropout, num_layers, stacklevel=4 if is_wrapped else 3)
        self._create(device, dtype)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; refuse an option that is out of range or that the weights are built for."""
        if "_slots" in self.__dict__ and name in _SETTABLE | _BUILT_IN:
            value = self._check_option(name, value)
        if name == "qconfig":  # torch.ao.quantization sets it on every module that it visits
            warnings.warn(
                f"{type(self).__name__}: quantization leaves this layer in floating point. Convert it with"
                " unrolled.nn.convert.to_torch first to quantize it.",
                stacklevel=2,
            )
        super().__setattr__(name, value)

    def _check_option(self, option: str, value: Any) -> Any:
        """Check an option that is set after the layer was built."""
        name = f"{type(self).__name__} {option}"
        if option in _BUILT_IN:
            built = getattr(self, option)
            if value != built:
                raise ArgumentError(
                    f"{name}: expected {built!r}, for which the weights were made; got {value!r}."
                    " Build another layer."
                )
            return value
        if option == "zoneout":
            return self._check_zoneout(value)
        if option == "batch_first":
            return check_bool(name, value)
        return check_float(name, value, least=0, most=1)

    def _check_zoneout(self, zoneout: Any) -> float | tuple[float, ...]:
        """Check one rate for the whole state, or one for each part of a state of several parts."""
        name, parts = f"{type(self).__name__} zoneout", self._state_type._fields
        if isinstance(zoneout, tuple | list) and len(parts) > 1:
            if len(zoneout) != len(parts):
                expected = f"one number or {len(parts)}, ({', '.join(parts)})"
                raise ArgumentError(f"{name}: expected {expected}; got {len(zoneout)}.")
            return tuple(
                check_float(f"{name}, {part}", rate, least=0, most=1)
                for part, rate in zip(parts, zoneout, strict=True)
            )
        return check_float(name, zoneout, least=0, most=1)

    def _create(self, device: Any, dtype: torch.dtype | None) -> None:
        """Register and initialise the weights of every layer and direction, in torch's order."""
        self._names: list[list[dict[str, str]]] = []  # parameter names by field of the weights' NamedTuple
        for layer in range(self.num_layers):
            self._names.append([])
            width = self.input_size if layer == 0 else self._output_size * self._directions
            for suffix in ("", "_reverse")[: self._directions]:
                names = {field: f"{field}_l{layer}{suffix}" for field in self._shapes(width)}
                for field, shape in self._shapes(width).items():
                    weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(names[field], weight)
                self._names[layer].append(names)
        # In the order of the weights' NamedTuple, so that a call need not sort them.
        fields = self._weights_type._fields
        self._slots = [[[names.get(field) for field in fields] for names in layer] for layer in self._names]
        self._present = tuple(name is not None for name in self._slots[0][0])
        self.reset_parameters()
        self.flatten_parameters()

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each weight of a layer with `width` inputs, in torch's order."""
        rows = len(self._cell.gates) * self.hidden_size
        weights = {"weight_ih": (rows, width), "weight_hh": (rows, self._output_size)}
        return {**weights, "bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {**weights}

    @property
    def _cell(self) -> Any:
        raise NotImplementedError

    @property
    def _operator(self) -> TorchOperator | None:
        raise NotImplementedError

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _output_size(self) -> int:
        return int(self.proj_size or self.hidden_size)

    @property
    def _first_weight(self) -> Tensor:
        """Weight whose dtype and device the inputs must have."""
        weight: Tensor = getattr(self, self._names[0][0]["weight_ih"])
        return weight

    @property
    def _state_sizes(self) -> dict[str, int]:
        return {"h_0": self._output_size}

    @property
    def _rates(self) -> tuple[float, ...] | None:
        """Zoneout rate of each part of the state; None if all are 0."""
        if self.zoneout == 0:
            return None
        parts = len(self._state_type._fields)
        rates = self.zoneout if isinstance(self.zoneout, tuple) else (self.zoneout,) * parts
        return rates if any(rates) else None

    def _weights(self, cast: torch.dtype | None = None) -> list[list[Any]]:
        """Return the weights of each layer and direction as the cell's NamedTuple, in the dtype `cast`."""
        registered: dict[str, Any] = self._parameters  # Module.__getattr__ would take most of the time here
        make, slots = self._weights_type._make, self._slots
        try:
            weights = [[make([registered[n] if n else None for n in ns]) for ns in layer] for layer in slots]
        except KeyError:  # a weight that is computed from others: parametrized or pruned
            weights = [
                [make([getattr(self, n) if n else None for n in ns]) for ns in layer] for layer in slots
            ]
        if cast is None:
            return weights
        return [[make([w if w is None else w.to(cast) for w in ws]) for ws in layer] for layer in weights]

    @property
    def _all_weights(self) -> list[list[str]]:  # torch's name, which other libraries read
        return [list(names.values()) for layer in self._names for names in layer]

    @property
    def _flat_weights_names(self) -> list[str]:  # as `_all_weights`
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:  # as `_all_weights`
        return [weight for weights in self.all_weights for weight in weights]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """Weights of each layer and direction, in torch's order."""
        return [[getattr(self, name) for name in names.values()] for layer in self._names for names in layer]

    def reset_parameters(self) -> None:
        """Draw every weight from U(-1/√H, 1/√H) in torch's order; set slopes to 0.25 and gains to 1.

        The LSTM's `bias_cell` under layer norm is set to 0.
        """
        bound = self.hidden_size**-0.5
        for name, weight in self.named_parameters(recurse=False):
            constants = [value for prefix, value in _CONSTANT_INITS.items() if name.startswith(prefix)]
            if constants:
                nn.init.constant_(weight, constants[0])
            else:
                nn.init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Copy the weights into one contiguous block for cuDNN; without cuDNN do nothing."""
        flat = [weight for weights in self.all_weights for weight in weights]
        if (
            self._operator is None
            or self.layer_norm
            or not all(map(torch.backends.cudnn.is_acceptable, flat))
        ):
            return
        if len({weight.data_ptr() for weight in flat}) < len(flat):  # shared weights cannot move apart
            return
        mode = torch.backends.cudnn.rnn.get_cudnn_mode(self._operator.cudnn_mode)  # type: ignore[no-untyped-call]
        with torch.no_grad(), torch.cuda.device(flat[0].device):
            torch._cudnn_rnn_flatten_weight(  # noqa: SLF001 (as torch.nn calls it)
                flat, len(self._names[0][0]), self.input_size, mode, self.hidden_size, self.proj_size,
                self.num_layers, False, self.bidirectional,
            )  # fmt: skip

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch has no types here
        self.flatten_parameters()  # .cuda() and .to() allocate every weight separately
        return self

    def extra_repr(self) -> str:
        """Format the options that differ from their defaults, as torch does."""
        shown = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "proj_size": 0, "nonlinearity": "tanh", "num_layers": 1, "bias": True,
            "batch_first": False, "dropout": 0.0, "bidirectional": False,
            "recurrent_dropout": 0.0, "zoneout": 0.0, "layer_norm": False,
        }  # fmt: skip
        for option, default in defaults.items():
            value = getattr(self, option, default)
            if value != default and not isinstance(value, nn.Module):  # a module prints itself below
                shown.append(f"{option}={value}")
        return ", ".join(shown)

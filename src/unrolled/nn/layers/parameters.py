"""What RNN, GRU and LSTM are made of: their settings, checked, and their weights under torch's names.

Shapes: F inputs, H hidden units, P projected units; L layers, D directions.
"""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.validation import ErrorCollector, check_float, check_int

P = ParamSpec("P")

_CONSTANT_INITS = {"slope": 0.25, "gain": 1.0, "bias_cell": 0.0}  # not drawn; the slope's is torch.nn.PReLU's


class TorchOperator(NamedTuple):
    """The operator of torch that runs this recurrence whole, where there is one."""

    name: str
    run: Callable[..., tuple[Tensor, ...]]
    cudnn_mode: str


def reject_proj_size(build: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Any, P], None]:
    """A constructor that refuses proj_size in a sentence; its signature stays torch's, which has none."""

    @wraps(build)
    def checked(self: Any, /, *args: P.args, **settings: P.kwargs) -> None:
        size = settings.pop("proj_size", 0)
        if size != 0:
            name = type(self).__name__
            raise ArgumentError(f"{name} proj_size: only LSTM has proj_size, got {size!r}. Leave it out.")
        build(self, *args, **settings)

    return checked


class RecurrentParameters(nn.Module):
    """The settings and weights of a recurrent layer; each layer says what its cell and its weights are."""

    _state_type: Any  # the cell's NamedTuples
    _weights_type: Any

    def _build(
        self, input_size: int, hidden_size: int, num_layers: int, *, bias: bool, batch_first: bool,
        dropout: float, bidirectional: bool, proj_size: int, device: Any, dtype: torch.dtype | None,
        recurrent_dropout: float, zoneout: Any, layer_norm: bool,
    ) -> None:  # fmt: skip
        """Check and keep the settings, then create the weights; every constructor ends here."""
        name, faults = type(self).__name__, ErrorCollector()
        self.input_size = faults.collect(check_int, f"{name} input_size", input_size, least=1)
        self.hidden_size = faults.collect(check_int, f"{name} hidden_size", hidden_size, least=1)
        self.num_layers = faults.collect(check_int, f"{name} num_layers", num_layers, least=1)
        self.dropout = faults.collect(check_float, f"{name} dropout", dropout, least=0, most=1)
        most = None if self.hidden_size is None else self.hidden_size - 1
        self.proj_size = faults.collect(check_int, f"{name} proj_size", proj_size, least=0, most=most)
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            faults.add(f"{name} dtype: expected one of floats such as torch.float32, got {dtype!r}.")
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.recurrent_dropout = faults.collect(
            check_float, f"{name} recurrent_dropout", recurrent_dropout, least=0, most=1
        )
        self.zoneout = faults.collect(self._checked_zoneout, zoneout)
        self.layer_norm = layer_norm
        for option in ("bias", "batch_first", "bidirectional", "layer_norm"):
            if not isinstance(getattr(self, option), bool):
                faults.add(f"{name} {option}: expected True or False, got {getattr(self, option)!r}.")
        faults.collect(getattr, self, "_cell")  # refuses a nonlinearity that nobody knows
        faults.raise_if_any()
        if self.dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name} dropout={dropout} has no effect: it acts between layers, and num_layers is 1.",
                stacklevel=4 if hasattr(type(self).__init__, "__wrapped__") else 3,  # see reject_proj_size
            )
        self._create(device, dtype)

    def _checked_zoneout(self, zoneout: Any) -> float | tuple[float, ...]:
        """A rate for the whole state, or one for each of its parts where there are more than one."""
        name, parts = f"{type(self).__name__} zoneout", self._state_type._fields
        if isinstance(zoneout, tuple | list) and len(parts) > 1:
            if len(zoneout) != len(parts):
                wanted = f"one number or {len(parts)}, ({', '.join(parts)})"
                raise ArgumentError(f"{name}: expected {wanted}; got {len(zoneout)}.")
            return tuple(
                check_float(f"{name}, {part}", rate, least=0, most=1)
                for part, rate in zip(parts, zoneout, strict=True)
            )
        return check_float(name, zoneout, least=0, most=1)

    def _create(self, device: Any, dtype: torch.dtype | None) -> None:
        """Register the weights of every layer and direction, in torch's order, and give them values."""
        self._names: list[list[dict[str, str]]] = []  # the name of each weight, by what it is
        for layer in range(self.num_layers):
            self._names.append([])
            width = self.input_size if layer == 0 else self._output_size * self._directions
            for suffix in ("", "_reverse")[: self._directions]:
                names = {field: f"{field}_l{layer}{suffix}" for field in self._shapes(width)}
                for field, shape in self._shapes(width).items():
                    weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(names[field], weight)
                self._names[layer].append(names)
        # The same in the order of the weights' NamedTuple, so that a call need not sort them.
        fields = self._weights_type._fields
        self._slots = [[[names.get(field) for field in fields] for names in layer] for layer in self._names]
        self._present = tuple(name is not None for name in self._slots[0][0])
        self.reset_parameters()
        self.flatten_parameters()

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        """The shape of each weight of a layer that reads `width` inputs, in torch's order."""
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
        """The weight whose dtype and device a call must have."""
        weight: Tensor = getattr(self, self._names[0][0]["weight_ih"])
        return weight

    @property
    def _state_sizes(self) -> dict[str, int]:
        return {"h_0": self._output_size}

    @property
    def _rates(self) -> tuple[float, ...] | None:
        """Zoneout's rate for each part of the state, None where nothing is ever held."""
        if self.zoneout == 0:
            return None
        parts = len(self._state_type._fields)
        rates = self.zoneout if isinstance(self.zoneout, tuple) else (self.zoneout,) * parts
        return rates if any(rates) else None

    def _weights(self, cast: torch.dtype | None = None) -> list[list[Any]]:
        """The weights of each layer and direction as the cell takes them, in the dtype `cast` if given."""
        own: dict[str, Any] = self._parameters  # Module.__getattr__ costs more than all the rest here
        make, slots = self._weights_type._make, self._slots
        try:
            found = [[make([own[n] if n else None for n in names]) for names in layer] for layer in slots]
        except KeyError:  # a weight that is computed from others: parametrized or pruned
            found = [
                [make([getattr(self, n) if n else None for n in names]) for names in layer] for layer in slots
            ]
        if cast is None:
            return found
        return [[make([w if w is None else w.to(cast) for w in ws]) for ws in layer] for layer in found]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, in torch's order."""
        return [[getattr(self, name) for name in names.values()] for layer in self._names for names in layer]

    def reset_parameters(self) -> None:
        """Draw every weight from U(-1/√H, 1/√H) in torch's order; slopes start at 0.25, gains at 1.

        The cell's shift under layer norm starts at 0.
        """
        bound = self.hidden_size**-0.5
        for name, weight in self.named_parameters(recurse=False):
            start = next(
                (value for prefix, value in _CONSTANT_INITS.items() if name.startswith(prefix)), None
            )
            if start is None:
                nn.init.uniform_(weight, -bound, bound)
            else:
                nn.init.constant_(weight, start)

    def flatten_parameters(self) -> None:
        """Lay the weights out in one block, which cuDNN asks for; elsewhere there is nothing to do."""
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
        self.flatten_parameters()  # .cuda() and .to() leave every weight in a block of its own
        return self

    def extra_repr(self) -> str:
        """The settings that differ from their defaults, as torch prints them."""
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

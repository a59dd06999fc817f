"""What RNN, GRU and LSTM share: the weights, the door, and the choice of a path.

Which path an input takes is decided in one place, `_path`, and `explain()` says it.

Shapes: T steps, B rows, F inputs, H hidden units, P projected units; L layers, D directions.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self

import torch
from torch import Tensor, nn

from unrolled.check import Faults, real, whole
from unrolled.errors import ArgumentError
from unrolled.nn.arguments import Call, Expected, admit, autocast_dtype
from unrolled.nn.unroll import unroll_stack

P = ParamSpec("P")

_SLOPE = 0.25  # where prelu's slope starts, as in torch.nn.PReLU


@dataclass(frozen=True)
class Path:
    """Which way an input goes through a layer, and why.

    >>> print(Path("reference", ("not every length is T", "resets are given")))
    reference: not every length is T; resets are given.
    """

    name: str  # "torch": one operator of torch for the whole layer; "reference": our own loop
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(self.reasons)}."


class Operator(NamedTuple):
    """The operator of torch that runs this recurrence whole, where there is one."""

    name: str
    run: Callable[..., tuple[Tensor, ...]]
    cudnn_mode: str


def without_projection(build: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Any, P], None]:
    """A constructor that refuses proj_size in a sentence; its signature stays torch's, which has none."""

    @wraps(build)
    def checked(self: Any, /, *args: P.args, **settings: P.kwargs) -> None:
        size = settings.pop("proj_size", 0)
        if size != 0:
            name = type(self).__name__
            raise ArgumentError(f"{name} proj_size: only LSTM has proj_size, got {size!r}. Leave it out.")
        build(self, *args, **settings)

    return checked


class Recurrent(nn.Module):
    """What RNN, GRU and LSTM share; each of them says what its cell, its weights and its operator are."""

    _state_type: Any  # the cell's NamedTuples
    _weights_type: Any

    def _build(
        self, input_size: int, hidden_size: int, num_layers: int, *, bias: bool, batch_first: bool,
        dropout: float, bidirectional: bool, proj_size: int, device: Any, dtype: torch.dtype | None,
    ) -> None:  # fmt: skip
        """Check and keep the settings, then create the weights; every constructor ends here."""
        name, faults = type(self).__name__, Faults()
        self.input_size = faults.collect(whole, f"{name} input_size", input_size, least=1)
        self.hidden_size = faults.collect(whole, f"{name} hidden_size", hidden_size, least=1)
        self.num_layers = faults.collect(whole, f"{name} num_layers", num_layers, least=1)
        self.dropout = faults.collect(real, f"{name} dropout", dropout, least=0, most=1)
        most = None if self.hidden_size is None else self.hidden_size - 1
        self.proj_size = faults.collect(whole, f"{name} proj_size", proj_size, least=0, most=most)
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            faults.add(f"{name} dtype: expected one of floats such as torch.float32, got {dtype!r}.")
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        for option in ("bias", "batch_first", "bidirectional"):
            if not isinstance(getattr(self, option), bool):
                faults.add(f"{name} {option}: expected True or False, got {getattr(self, option)!r}.")
        faults.collect(getattr, self, "_cell")  # refuses a nonlinearity that nobody knows
        faults.raise_if_any()
        if self.dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name} dropout={dropout} has no effect: it acts between layers, and num_layers is 1.",
                stacklevel=4 if hasattr(type(self).__init__, "__wrapped__") else 3,  # see without_projection
            )
        self._names = [
            [self._create(layer, suffix, device, dtype) for suffix in ("", "_reverse")[: self._directions]]
            for layer in range(num_layers)
        ]
        self.reset_parameters()
        self.flatten_parameters()

    def _create(self, layer: int, suffix: str, device: Any, dtype: torch.dtype | None) -> dict[str, str]:
        """Register the weights of one layer and direction; the names they got, by what they are."""
        width = self.input_size if layer == 0 else self._output_size * self._directions
        names = {}
        for field, shape in self._shapes(width).items():
            names[field] = f"{field}_l{layer}{suffix}"
            weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(names[field], weight)
        return names

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        """The shape of each weight of a layer that reads `width` inputs, in torch's order."""
        rows = len(self._cell.gates) * self.hidden_size
        weights = {"weight_ih": (rows, width), "weight_hh": (rows, self._output_size)}
        return {**weights, "bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {**weights}

    @property
    def _cell(self) -> Any:
        raise NotImplementedError

    @property
    def _operator(self) -> Operator | None:
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
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, in torch's order."""
        return [[getattr(self, name) for name in names.values()] for layer in self._names for names in layer]

    def reset_parameters(self) -> None:
        """Draw every weight from U(-1/√H, 1/√H) in torch's order; a learned slope starts at 0.25."""
        bound = self.hidden_size**-0.5
        for name, weight in self.named_parameters(recurse=False):
            if name.startswith("slope"):
                nn.init.constant_(weight, _SLOPE)
            else:
                nn.init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Lay the weights out in one block, which cuDNN asks for; elsewhere there is nothing to do."""
        flat = [weight for weights in self.all_weights for weight in weights]
        if self._operator is None or not all(map(torch.backends.cudnn.is_acceptable, flat)):
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
        }  # fmt: skip
        for option, default in defaults.items():
            value = getattr(self, option, default)
            if value != default and not isinstance(value, nn.Module):  # a module prints itself below
                shown.append(f"{option}={value}")
        return ", ".join(shown)

    def forward(
        self,
        input: Tensor,  # noqa: A002 (torch's name)
        hx: Any = None,
        *,
        lengths: Any = None,
        resets: Any = None,
    ) -> tuple[Tensor, Any]:
        """Run the layer over its input.

        Args:
            input: (T, B, F); (B, T, F) if `batch_first`; (T, F) without a batch axis.
            hx: the state to start from, (L * D, B, H), for an LSTM the tuple (h_0, c_0) of
                (L * D, B, P or H) and (L * D, B, H); without B where the input has none. None: zeros.
            lengths: (B,) whole numbers from 0 to T, in any order: the steps each row has; one number
                where the input has no batch axis. What lies beyond is never read, NaN or not.
            resets: (B, T) bool, true where a new segment begins: the state is zero before that step.
                In the reverse direction it is zero before step t - 1. (T,) without a batch axis.

        Returns:
            The last layer's outputs, in the input's layout with D * H (or D * P) as the last axis,
            zero beyond a row's length; and the state after each row's own last step (step 0 in
            reverse), laid out like `hx`.

        Raises:
            ArgumentError: shape, dtype, device or range of any of them is not so.

        With T = 0, or for a row of length 0, the state comes back as it was given. With B = 0 all
        is empty. Under autocast everything is computed and returned in autocast's dtype (float64
        layers stay as they are). Inside `torch.func` transforms, vmap among them, the layer works,
        but vmap cannot map over `lengths`.
        """
        call = self._admit(input, hx, lengths, resets)
        weights = self._weights()
        run = {"torch": self._run_torch, "reference": self._run_reference}[self._path(call).name]
        is_cast = autocast_dtype(self._first_weight) is not None  # and then all has its dtype by now
        with torch.autocast(call.inputs.device.type, enabled=False) if is_cast else nullcontext():
            output, state = run(call, weights)
        if not call.is_batched:
            output, state = output[:, 0], tuple(part[:, 0] for part in state)
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, state[0] if len(state) == 1 else state

    def explain(
        self,
        input: Tensor,  # noqa: A002 (torch's name)
        hx: Any = None,
        *,
        lengths: Any = None,
        resets: Any = None,
    ) -> Path:
        """Which path `forward` takes with these arguments, and why; nothing is computed.

        Args:
            input: as for `forward`.
            hx: as for `forward`.
            lengths: as for `forward`.
            resets: as for `forward`.

        Returns:
            A record with `name` and `reasons` that prints as one line.

        Raises:
            ArgumentError: as for `forward`.
        """
        return self._path(self._admit(input, hx, lengths, resets))

    def _admit(self, input: Any, hx: Any, lengths: Any, resets: Any) -> Call:  # noqa: A002
        expected = Expected(
            type(self).__name__, self.input_size, self._state_sizes, self.num_layers * self._directions,
            self.batch_first, self._first_weight,
        )  # fmt: skip
        return admit(expected, input, hx, lengths, resets)

    def _weights(self) -> list[list[Any]]:
        """The weights of each layer and direction as the cell takes them, in autocast's dtype if it is on."""
        dtype = autocast_dtype(self._first_weight)

        def taken(names: dict[str, str]) -> Any:
            found = {field: getattr(self, name) for field, name in names.items()}
            return self._weights_type(**{k: w if dtype is None else w.to(dtype) for k, w in found.items()})

        return [[taken(names) for names in layer] for layer in self._names]

    def _path(self, call: Call) -> Path:
        """The one place that decides which path a call takes."""
        against = []
        if self._operator is None:
            against.append(f"torch has no operator for nonlinearity={getattr(self, 'nonlinearity', None)!r}")
        if call.lengths is not None:
            against.append("not every length is T")
        if call.resets is not None:
            against.append("resets are given")
        if call.inputs.shape[0] == 0:
            against.append("there is no step (T = 0)")
        if torch._C._functorch.maybe_current_level() is not None:  # noqa: SLF001 (no public name for it)
            against.append("a torch.func transform is active, and torch's operator cannot be mapped")
        if against or self._operator is None:
            return Path("reference", tuple(against))
        return Path("torch", (f"torch.{self._operator.name} runs the whole layer",))

    def _run_torch(self, call: Call, weights: list[list[Any]]) -> tuple[Tensor, tuple[Tensor, ...]]:
        assert self._operator is not None
        flat = [w for layer in weights for direction in layer for w in direction if w is not None]
        hx = call.state[0] if len(call.state) == 1 else call.state
        output, *state = self._operator.run(
            call.inputs, hx, flat, self.bias, self.num_layers, self.dropout, self.training,
            self.bidirectional, False,
        )  # fmt: skip
        return output, tuple(state)

    def _run_reference(self, call: Call, weights: list[list[Any]]) -> tuple[Tensor, tuple[Tensor, ...]]:
        states = [self._state_type(*parts) for parts in zip(*call.state, strict=True)]
        D = self._directions
        output, finals = unroll_stack(
            self._cell, call.inputs, weights, [states[k : k + D] for k in range(0, len(states), D)],
            lengths=call.lengths, resets=call.resets, dropout=self.dropout if self.training else 0.0,
        )  # fmt: skip
        ended = [state for layer in finals for state in layer]
        return output, tuple(torch.stack(parts) for parts in zip(*ended, strict=True))

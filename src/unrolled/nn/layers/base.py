"""How RNN, GRU and LSTM are called: the door, and the choice of a path.

Which path an input takes is decided in one place, `_path`, and `explain()` says it.

Shapes: T steps, B rows, F inputs, H hidden units, P projected units; L layers, D directions.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled import kernels
from unrolled.nn.layers.inputs import InputSpec, LayerInputs, check_inputs, restore_layout
from unrolled.nn.layers.parameters import RecurrentParameters
from unrolled.nn.ops import fused, launch, torch_internals
from unrolled.nn.ops.unroll import unroll, unroll_stack

_KERNELS_MISSING = "the compiled kernels are missing"


class Backend(NamedTuple):
    """Which way an input goes through a layer, and why.

    >>> print(Path("reference", ("the kernels have no projection", "resets are given")))
    reference: the kernels have no projection; resets are given.
    """

    name: str  # "fused": our kernels; "torch": an operator of torch; "reference": our own loop in Python
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(self.reasons)}."


_FUSED = Backend("fused", ())  # `explain` adds the instruction set


class RecurrentLayer(RecurrentParameters):
    """What calling an RNN, a GRU and an LSTM has in common."""

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 (torch's name)
        hx: Any = None,
        *,
        lengths: Any = None,
        resets: Any = None,
    ) -> tuple[Any, Any]:
        """Run the layer over its input.

        Args:
            input: (T, B, F); (B, T, F) if `batch_first`; (T, F) without a batch axis; or a
                PackedSequence, sorted or not, which brings its own lengths.
            hx: the state to start from, (L * D, B, H), for an LSTM the tuple (h_0, c_0) of
                (L * D, B, P or H) and (L * D, B, H); without B where the input has none. None: zeros.
            lengths: (B,) whole numbers from 0 to T, in any order: the steps each row has; one number
                where the input has no batch axis. What lies beyond is never read, NaN or not.
            resets: (B, T) bool, true where a new segment begins: the state is zero before that step.
                In the reverse direction it is zero before step t - 1. (T,) without a batch axis.

        Returns:
            The last layer's outputs, in the input's layout with D * H (or D * P) as the last axis,
            zero beyond a row's length; and the state after each row's own last step (step 0 in
            reverse), laid out like `hx`. For a PackedSequence the outputs are one too, and `hx`,
            `resets` and the state have its rows in the order in which they were packed.

        Raises:
            ArgumentError: shape, dtype, device or range of any of them is not so.

        With T = 0, or for a row of length 0, the state comes back as it was given. With B = 0 all
        is empty. Under autocast everything is computed and returned in autocast's dtype (float64
        layers stay as they are). Inside `torch.func` transforms, vmap among them, the layer works,
        but vmap cannot map over `lengths`.
        """
        if hx is None and lengths is None and resets is None:
            answered = self._fast_path(input)
            if answered is not None:
                return answered
        call = self._check_inputs(input, hx, lengths, resets)
        path = self._choose_backend(call)
        if path is _FUSED:
            output, state = self._run_fused(call, self._weights())
            return restore_layout(call, output, state, batch_first=self.batch_first)
        if path.reasons[0] is _KERNELS_MISSING:
            kernels.say_missing_once(stacklevel=5)
        run = self._run_torch if path.name == "torch" else self._run_reference
        if call.cast is None:
            output, state = run(call, self._weights())
        else:  # everything is in autocast's dtype by now, and is to stay in it
            with torch.autocast(call.inputs.device.type, enabled=False):
                output, state = run(call, self._weights(call.cast))
        return restore_layout(call, output, state, batch_first=self.batch_first)

    def explain(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 (torch's name)
        hx: Any = None,
        *,
        lengths: Any = None,
        resets: Any = None,
    ) -> Backend:
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
        path = self._choose_backend(self._check_inputs(input, hx, lengths, resets))
        if path is not _FUSED:
            return path
        name = kernels.build_info()["instruction_set"]
        return Backend(_FUSED.name, (f"one operator runs all steps on the {name} kernels",))

    def _check_inputs(self, input: Any, hx: Any, lengths: Any, resets: Any) -> LayerInputs:  # noqa: A002
        if hx is None and lengths is None and resets is None and self._is_plain(input):
            return LayerInputs(input.transpose(0, 1) if self.batch_first else input)
        expected = InputSpec(
            type(self).__name__, self.input_size, self._state_sizes, self.num_layers * self._directions,
            self.batch_first, self._first_weight,
        )  # fmt: skip
        return check_inputs(expected, input, hx, lengths, resets)

    def _is_plain(self, input: Any) -> bool:  # noqa: A002
        """Return true if `check_inputs`, which takes longer, would pass this input unchanged."""
        weight = self._parameters.get("weight_ih_l0")
        return (
            type(input) is Tensor
            and weight is not None
            and input.layout is torch.strided
            and not input.is_nested
            and input.ndim == 3
            and input.shape[2] == self.input_size
            and input.dtype is weight.dtype
            and input.is_cpu
            and weight.is_cpu
            and not torch.is_autocast_enabled("cpu")
        )

    def _choose_backend(self, call: LayerInputs) -> Backend:
        """The one place that decides which path a call takes."""
        against = self._reasons_against_kernels(call.inputs)
        if not against:
            return _FUSED
        more = self._reasons_against_torch(call)
        if more:
            return Backend("reference", (*against, *more))
        assert self._operator is not None
        runs = f"torch.{self._operator.name} runs the whole layer"
        if call.inputs.is_cuda and torch.backends.cudnn.is_acceptable(call.inputs):  # type: ignore[no-untyped-call]
            runs += " on cuDNN"
        return Backend("torch", (*against, runs))

    def _reasons_against_kernels(self, x: Tensor) -> list[str]:
        """Why the kernels cannot run this; nothing where they can."""
        against = []
        if not kernels.available():
            against.append(_KERNELS_MISSING)
        if not fused.has_kernel(self._cell):
            against.append("the kernels know nonlinearities by name, and this is a callable")
        if self.proj_size:
            against.append("the kernels have no projection")
        if x.dtype not in launch.DTYPES:
            against.append(f"the kernels have no {str(x.dtype).removeprefix('torch.')}")
        if not x.is_cpu:
            against.append(f"the input is on {x.device}, the kernels on the CPU")
        if torch_internals.transform_level() is not None:
            against.append("a torch.func transform is active, and the kernels cannot be mapped")
        if torch_internals.is_in_forward_mode():
            against.append("derivatives are taken in forward mode")
        return against

    def _reasons_against_torch(self, call: LayerInputs) -> list[str]:
        """Why no operator of torch can run this; nothing where one can."""
        against = []
        if self._operator is None:
            against.append(f"torch has no operator for nonlinearity={getattr(self, 'nonlinearity', None)!r}")
        if self.layer_norm:
            against.append("torch has no layer norm in a recurrence")
        if self._rates is not None:
            against.append("torch has no zoneout")
        if self.recurrent_dropout > 0 and self.training:
            against.append("torch has no recurrent dropout")
        if call.lengths is not None:
            against.append("not every length is T")
        if call.resets is not None:
            against.append("resets are given")
        if call.inputs.shape[0] == 0:
            against.append("there is no step (T = 0)")
        if torch_internals.transform_level() is not None:
            against.append("torch's operator cannot be mapped either")
        return against

    def _fast_path(self, x: Any) -> tuple[Tensor, Any] | None:
        """The answer to the plainest call, of one layer in one direction; None where it is not so plain.

        At the sizes where people forecast, the steps that every other call takes cost as much as the kernels.
        Whether the kernels can is asked as `_path` asks it.
        """
        if (
            self.num_layers > 1 or self.bidirectional or self.zoneout != 0 or self.recurrent_dropout != 0
            or torch.compiler.is_compiling() or not self._is_plain(x) or self._reasons_against_kernels(x)
        ):  # fmt: skip
            return None
        rule, own = fused.default_spec(self._cell, self._weights_type, self._present), self._parameters
        operands = [x.transpose(0, 1) if self.batch_first else x]
        for name in self._slots[0][0]:
            if name is not None:
                weight = own.get(name)
                if weight is None:
                    return None  # computed from others
                operands.append(weight)
        output, *state = fused.run_recurrence(rule, tuple(operands), None, (1,))
        if self.batch_first:
            output = output.transpose(0, 1)
        return output, state[0] if len(state) == 1 else tuple(state)

    def _run_fused(self, call: LayerInputs, weights: list[list[Any]]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self._run_stack(call, weights, fused.fused_unroll_validated)

    def _run_torch(self, call: LayerInputs, weights: list[list[Any]]) -> tuple[Tensor, tuple[Tensor, ...]]:
        assert self._operator is not None
        flat = [w for layer in weights for direction in layer for w in direction if w is not None]
        state = call.state
        if state is None:
            depth, B = self.num_layers * self._directions, call.inputs.shape[1]
            state = tuple(call.inputs.new_zeros(depth, B, size) for size in self._state_sizes.values())
        hx = state[0] if len(state) == 1 else state
        output, *final = self._operator.run(
            call.inputs, hx, flat, self.bias, self.num_layers, self.dropout, self.training,
            self.bidirectional, False,
        )  # fmt: skip
        return output, tuple(final)

    def _run_reference(
        self, call: LayerInputs, weights: list[list[Any]]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self._run_stack(call, weights, unroll)

    def _run_stack(
        self, call: LayerInputs, weights: list[list[Any]], run: Any
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        states = None
        if call.state is not None:
            each = [self._state_type(*parts) for parts in zip(*call.state, strict=True)]
            states = [each[k : k + self._directions] for k in range(0, len(each), self._directions)]
        output, finals = unroll_stack(
            self._cell, call.inputs, weights, states, lengths=call.lengths, resets=call.resets,
            dropout=self.dropout, recurrent_dropout=self.recurrent_dropout, zoneout=self._rates,
            training=self.training, run=run,
        )  # fmt: skip
        ended = [state for layer in finals for state in layer]
        return output, tuple(torch.stack(parts) for parts in zip(*ended, strict=True))

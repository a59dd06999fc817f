"""Forward pass of RNN, GRU and LSTM: input validation and choice of the backend.

`RecurrentLayer._choose_backend` alone decides which backend runs; `explain()` returns its decision.

Shapes: T steps, B rows, F inputs, H hidden units, P projected units; L layers, D directions.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled import kernels
from unrolled.errors import ArgumentError, TensorError
from unrolled.kernels.loading import warn_missing
from unrolled.nn.layers.inputs import InputSpec, LayerInputs, check_inputs, restore_layout
from unrolled.nn.layers.stream import LayerStream, StreamedLayer
from unrolled.nn.layers.vjp import RecurrentVjp
from unrolled.nn.ops import forked_child, fused, launch, torch_internals
from unrolled.nn.ops.unroll import unroll, unroll_stack

_KERNELS_MISSING = "the compiled kernels are missing"


class Backend(NamedTuple):
    """Implementation that runs a call of a layer, and the reasons for the choice.

    >>> print(Backend("reference", ("the kernels have no projection", "resets are given")))
    reference: the kernels have no projection; resets are given.
    """

    name: str  # "fused": the kernels; "torch": an operator of torch; "reference": a loop over steps in Python
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(self.reasons)}."


@torch_internals.disable_in_compile("a graph cannot hold what torch's operator saves for backward")
def _run_between_graphs(run: Callable[..., Any], *arguments: Any) -> Any:
    """Run an operator outside the graphs of torch.compile, as torch.nn's layers do."""
    return run(*arguments)


def _is_exported_to_onnx() -> bool:
    """Tell whether torch.onnx records this call; asked only where calls are recorded, for it takes long."""
    is_recorded = torch.compiler.is_compiling() or torch_internals.is_tracing()
    return is_recorded and bool(torch.onnx.is_in_onnx_export())


_FUSED = Backend("fused", ())  # `explain` adds the instruction set


class RecurrentLayer(RecurrentVjp):
    """Base class of RNN, GRU and LSTM: `forward` and `explain`."""

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 (torch's name)
        hx: Any = None,
        lengths: Any = None,
        resets: Any = None,
    ) -> tuple[Any, Any]:
        """Run the layer over its input.

        Args:
            input: (T, B, F); (B, T, F) if `batch_first`; (T, F) without a batch axis; or a
                PackedSequence, sorted or not, which has its own lengths.
            hx: initial state (L * D, B, H), for an LSTM the tuple (h_0, c_0) of (L * D, B, P or H) and
                (L * D, B, H); without B if the input has no batch axis. None: zeros.
            lengths: (B,) integers from 0 to T in any order, the number of steps of each row; one number
                if the input has no batch axis. Steps beyond a length are never read, NaN or not.
            resets: (B, T) bool, true where a new segment begins: the state is zero before that step.
                In the reverse direction it is zero before step t - 1. (T,) without a batch axis.

        Returns:
            The last layer's outputs in the input's layout, with D * H (or D * P) as the last axis, zero
            beyond a row's length; and the state after each row's last step (step 0 in reverse), in the
            layout of `hx`. For a PackedSequence the outputs are one too, and the rows of `hx`, `resets`
            and the state are in the order in which they were packed.

        Raises:
            ArgumentError: an argument has a wrong shape, dtype, device or range.

        With T = 0, or for a row of length 0, the initial state is returned. With B = 0 everything is
        empty. Under autocast everything is computed and returned in autocast's dtype (float64 layers
        are unchanged). Inside `torch.func` transforms, vmap among them, the layer works, but vmap cannot
        map over `lengths`.
        """
        if type(input) is not Tensor and torch_internals.is_symbolic(input):
            return torch_internals.call_as_leaf(self, input, hx=hx, lengths=lengths, resets=resets)  # type: ignore[no-any-return]
        call = self._check_inputs(input, hx, lengths, resets)
        backend = self._choose_backend(call)
        if backend is _FUSED:
            try:
                output, state = self._run_fused(call)
            except ArgumentError:
                self._check_weights()
                raise
            return restore_layout(call, output, state, batch_first=self.batch_first)
        if backend.reasons[0] is _KERNELS_MISSING:
            warn_missing(stacklevel=4)
        run = self._run_torch if backend.name == "torch" else self._run_reference
        if call.cast is None:
            output, state = run(call, self._weights())
        else:  # the inputs have autocast's dtype already; the operators inside must not cast again
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
        """Return the backend that `forward` would use with these arguments; nothing is computed.

        Args:
            input: as for `forward`.
            hx: as for `forward`.
            lengths: as for `forward`.
            resets: as for `forward`.

        Returns:
            The backend's name and the reasons for it; it prints as one line.

        Raises:
            ArgumentError: as for `forward`.
        """
        backend = self._choose_backend(self._check_inputs(input, hx, lengths, resets))
        if backend is not _FUSED:
            return backend
        name = kernels.build_info()["instruction_set"]
        return Backend(_FUSED.name, (f"one operator runs all steps on the {name} kernels",))

    def stream(self, batch_size: int = 1) -> LayerStream:
        """Return a live stream of `batch_size` rows, which runs the layer one step at a time."""
        return LayerStream(self.streamed(), batch_size)

    def streamed(self) -> StreamedLayer:
        """Return the layer as a stream needs it."""
        is_registered = all(name in self._parameters for name in self._flat_weights_names)  # not computed
        on_kernels = is_registered and not self._reasons_against_kernels(self._first_weight)
        return StreamedLayer(
            type(self).__name__, self.input_size, self.batch_first, self.bidirectional, on_kernels,
            self._rates, self.directed_weights,
        )  # fmt: skip

    def directed_weights(self) -> list[tuple[Any, Any]]:
        """Return the cell and the weights of each layer, in its first direction."""
        return [(self._cell, directions[0]) for directions in self._weights()]

    def _check_inputs(self, input: Any, hx: Any, lengths: Any, resets: Any) -> LayerInputs:  # noqa: A002
        if lengths is None and resets is None and self._is_plain(input):
            inputs = input.transpose(0, 1) if self.batch_first else input
            if hx is None:
                return LayerInputs(inputs)
            state = self._plain_state(hx, inputs)
            if state is not None:
                return LayerInputs(inputs, state)
        forked_child.leave_lost_threads()
        spec = InputSpec(
            type(self).__name__, self.input_size, self._state_sizes, self.num_layers * self._directions,
            self.batch_first, self._first_weight,
        )  # fmt: skip
        return check_inputs(spec, input, hx, lengths, resets)

    def _is_plain(self, input: Any) -> bool:  # noqa: A002
        """Return true if `check_inputs`, which takes longer, would accept this input unchanged."""
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

    def _plain_state(self, hx: Any, inputs: Tensor) -> tuple[Tensor, ...] | None:
        """Return the parts of a state that `check_inputs` would accept unchanged; None for any other."""
        parts, sizes = (hx,) if type(hx) is Tensor else hx, self._state_sizes
        if type(parts) is not tuple or len(parts) != len(sizes):
            return None
        depth, B, dtype = self.num_layers * self._directions, inputs.shape[1], inputs.dtype
        for part, size in zip(parts, sizes.values(), strict=True):
            if (
                type(part) is not Tensor
                or part.dtype is not dtype
                or part.layout is not torch.strided
                or part.is_nested
                or not part.is_cpu
                or part.shape != (depth, B, size)
            ):
                return None
        return parts

    def _choose_backend(self, call: LayerInputs) -> Backend:
        """Choose the first of fused, torch and reference that can run the call."""
        against_kernels = self._reasons_against_kernels(call.inputs)
        if not against_kernels:
            return _FUSED
        against_torch = self._reasons_against_torch(call)
        if against_torch:
            return Backend("reference", (*against_kernels, *against_torch))
        assert self._operator is not None
        operator = f"torch.{self._operator.name} runs the whole layer"
        if call.inputs.is_cuda and torch.backends.cudnn.is_acceptable(call.inputs):  # type: ignore[no-untyped-call]
            operator += " on cuDNN"
        return Backend("torch", (*against_kernels, operator))

    def _reasons_against_kernels(self, x: Tensor) -> list[str]:
        """List why the kernels cannot run this input; empty if they can."""
        reasons = []
        if not kernels.available():
            reasons.append(_KERNELS_MISSING)
        if not fused.has_kernel(self._cell):
            reasons.append("the kernels know nonlinearities by name, and this is a callable")
        if self.proj_size:
            reasons.append("the kernels have no projection")
        if x.dtype not in launch.DTYPES:
            reasons.append(f"the kernels have no {str(x.dtype).removeprefix('torch.')}")
        if not x.is_cpu:
            reasons.append(f"the input is on {x.device}, the kernels on the CPU")
        if _is_exported_to_onnx():
            reasons.append("the model is exported to ONNX, which has operators for torch's")
        if torch_internals.n_transforms() > 0:
            reasons.append("a torch.func transform is active, and the kernels cannot be mapped")
        if torch_internals.is_in_forward_mode():
            reasons.append("derivatives are taken in forward mode")
        return reasons

    def _reasons_against_torch(self, call: LayerInputs) -> list[str]:
        """List why no operator of torch can run this call; empty if one can."""
        reasons = []
        if self._operator is None:
            reasons.append(f"torch has no operator for nonlinearity={getattr(self, 'nonlinearity', None)!r}")
        if self.layer_norm:
            reasons.append("torch has no layer norm in a recurrence")
        if self._rates is not None:
            reasons.append("torch has no zoneout")
        if self.recurrent_dropout > 0 and self.training:
            reasons.append("torch has no recurrent dropout")
        if self.proj_size and _is_exported_to_onnx():
            reasons.append("ONNX has no projection")
        if call.lengths is not None:
            reasons.append("not every length is T")
        if call.resets is not None:
            reasons.append("resets are given")
        if call.inputs.shape[0] == 0:
            reasons.append("there is no step (T = 0)")
        if torch_internals.n_transforms() > 0:
            reasons.append("torch's operator cannot be mapped either")
        return reasons

    def _run_fused(self, call: LayerInputs) -> tuple[Tensor, tuple[Tensor, ...]]:
        operands = self._single_run_operands(call)
        if operands is None:
            return self._run_stack(call, self._weights(), fused.fused_unroll_validated)
        has_state = call.state is not None
        spec = fused.default_spec(self._cell, self._weights_type, self._present, has_state=has_state)
        output, *state = fused.run_recurrence(spec, operands, None, (1,))
        return output, tuple(state)

    def _single_run_operands(self, call: LayerInputs) -> tuple[Tensor, ...] | None:
        """Return the operands of one layer in one direction; None if the call needs more.

        Such a call skips `unroll_stack`, which takes as long as the kernels at the sizes of forecasting.
        """
        if (
            call.lengths is not None or call.resets is not None or self.num_layers > 1 or self.bidirectional
            or self.zoneout != 0 or self.recurrent_dropout != 0
            or torch.compiler.is_compiling()
        ):  # fmt: skip
            return None
        parameters, operands = self._parameters, [call.inputs]
        if call.state is not None:
            operands += [part[0] for part in call.state]
        for name in self._slots[0][0]:
            if name is not None:
                weight = parameters.get(name)
                if weight is None:  # computed from other weights: parametrized or pruned
                    return None
                operands.append(weight)
        return tuple(operands)

    def _check_weights(self) -> None:
        """Raise an error that names the first weight whose shape, dtype or device was changed, if one was."""
        like = self._first_weight
        for k, layer in enumerate(self._names):
            shapes = self._shapes(self.input_size if k == 0 else self._output_size * self._directions)
            for field, name in ((field, name) for names in layer for field, name in names.items()):
                weight, shape = getattr(self, name), shapes[field]
                if weight is None:  # the error that stands names what is missing
                    continue
                got = tuple(weight.shape)
                if got != shape or (weight.dtype, weight.device) != (like.dtype, like.device):
                    raise TensorError(
                        f"{type(self).__name__} {name}: expected shape {shape} of {like.dtype} on"
                        f" {like.device}; got {got} of {weight.dtype} on {weight.device}. Set such a one."
                    )

    def _run_torch(self, call: LayerInputs, weights: list[list[Any]]) -> tuple[Tensor, tuple[Tensor, ...]]:
        assert self._operator is not None
        forked_child.leave_lost_threads()
        flat = [w for layer in weights for direction in layer for w in direction if w is not None]
        state = call.state
        if state is None:
            depth, B = self.num_layers * self._directions, call.inputs.shape[1]
            state = tuple(call.inputs.new_zeros(depth, B, size) for size in self._state_sizes.values())
        hx = state[0] if len(state) == 1 else state
        run = self._operator.run
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting() and torch.is_grad_enabled():
            run = partial(_run_between_graphs, run)
        output, *final = run(
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
        forked_child.leave_lost_threads()
        states = None
        if call.state is not None:
            initial = [self._state_type(*parts) for parts in zip(*call.state, strict=True)]
            states = [initial[k : k + self._directions] for k in range(0, len(initial), self._directions)]
        output, finals = unroll_stack(
            self._cell, call.inputs, weights, states, lengths=call.lengths, resets=call.resets,
            dropout=self.dropout, recurrent_dropout=self.recurrent_dropout, zoneout=self._rates,
            training=self.training, run=run,
        )  # fmt: skip
        last_states = [state for layer in finals for state in layer]
        return output, tuple(torch.stack(parts) for parts in zip(*last_states, strict=True))

"""Validation of the arguments of a recurrent layer, and their conversion to time-major tensors.

Shapes: T steps, B rows, F inputs; L layers, D directions (1 or 2).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ArgumentError, TensorError
from unrolled.nn.layers.packed import pack_like, pad_packed
from unrolled.nn.ops import torch_internals
from unrolled.nn.ops.checks import check_dense, check_lengths, check_resets, describe_type
from unrolled.validation import ErrorCollector


class LayerInputs(NamedTuple):
    """Validated arguments of one call: time-major, with a batch axis, in the dtype of the computation."""

    inputs: Tensor  # (T, B, F)
    state: tuple[Tensor, ...] | None = None  # each (L * D, B, size); None for zeros
    lengths: Tensor | None = None  # (B,) int64; None if every row has T steps
    resets: Tensor | None = None  # (B, T) bool
    is_batched: bool = True  # false if the caller's input has no batch axis
    packed: PackedSequence | None = None  # the caller's input, if it is one
    cast: torch.dtype | None = None  # autocast's dtype, which inputs and state have already


class InputSpec(NamedTuple):
    """Requirements of a layer on its arguments."""

    name: str  # of the layer, for errors
    input_size: int
    state_sizes: Mapping[str, int | tuple[int, ...]]  # axes after B of each part of hx, by its name
    depth: int  # L * D
    batch_first: bool
    weight: Tensor  # the arguments must have its dtype and device


def check_inputs(layer: InputSpec, input: Any, hx: Any, lengths: Any, resets: Any) -> LayerInputs:  # noqa: A002 (torch's name)
    """Validate the arguments of one call and convert them to the form that every backend takes.

    Args:
        layer: the layer's requirements.
        input: (T, B, F), (B, T, F) with `batch_first`, (T, F), or a PackedSequence.
        hx: None for zeros; else the parts of `layer.state_sizes`, each (L * D, B, size), without B if
            the input has no batch axis.
        lengths: (B,) integers from 0 to T; one number if the input has no batch axis; or None.
        resets: (B, T) bool; (T,) if the input has no batch axis; or None.

    Raises:
        TensorError: an argument has a wrong type, shape, dtype, device or range; every fault has its
            line. Under torch.compile and export, where tensors have no values, the range of lengths is
            not checked.
    """
    packed = None
    if isinstance(input, PackedSequence):
        if lengths is not None:
            raise ArgumentError(
                f"{layer.name} lengths: expected None with a PackedSequence, which has its own;"
                f" got {describe_type(lengths)}. Leave them out, or pass the padded tensor."
            )
        layer, packed = layer._replace(batch_first=False), input
        input, lengths = pad_packed(f"{layer.name} input", packed)  # noqa: A001
    inputs = _check_input(layer, input)
    is_batched = inputs.ndim == 3
    if not is_batched:
        inputs = inputs[:, None]
    elif layer.batch_first:
        inputs = inputs.transpose(0, 1)
    T, B, _ = inputs.shape
    faults = ErrorCollector(TensorError)
    state = faults.collect(check_state, layer, inputs, hx, is_batched)
    if lengths is not None:
        lengths = faults.collect(
            check_lengths, layer.name, lengths, B, T, is_batched=is_batched, has_values=not inputs.is_meta
        )
    if resets is not None:
        resets = faults.collect(check_resets, layer.name, resets, B, T, is_batched=is_batched)
        if resets is not None and resets.is_meta and not inputs.is_meta:
            faults.add(f"{layer.name} resets: expected values, got a tensor on meta, where there are none.")
    faults.raise_if_any()
    if lengths is not None:
        # A graph is recorded for any lengths, so it must not depend on the values of these.
        is_recorded = (
            torch.compiler.is_compiling()
            or torch_internals.is_tracing()
            or not torch_internals.has_values(lengths)
        )
        is_full = not is_recorded and bool((lengths == T).all())
        lengths = None if is_full else lengths.to(inputs.device)
    resets = None if resets is None else resets.to(inputs.device)
    return LayerInputs(inputs, state, lengths, resets, is_batched, packed, autocast_dtype(layer.weight))


def restore_layout(
    call: LayerInputs, output: Tensor, state: tuple[Tensor, ...], *, batch_first: bool
) -> tuple[Any, Any]:
    """Convert the output (T, B, size) and the state parts (L * D, B, size) to the caller's layout."""
    restored: Any = output
    if call.packed is not None:
        restored = pack_like(output, call.packed)
    elif not call.is_batched:
        restored, state = output[:, 0], tuple(part[:, 0] for part in state)
    elif batch_first:
        restored = output.transpose(0, 1)
    return restored, state[0] if len(state) == 1 else state


def autocast_dtype(weight: Tensor) -> torch.dtype | None:
    """Return autocast's dtype for a layer with this weight; None if autocast is off or the weight float64."""
    device = weight.device.type
    if weight.dtype == torch.float64 or not torch.amp.is_autocast_available(device):
        return None
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def _check_input(layer: InputSpec, x: Any) -> Tensor:
    """Check the rank, width, dtype and device of the input; cast it under autocast."""
    name = f"{layer.name} input"
    if not isinstance(x, Tensor):
        # Torch reads no array with negative strides, such as x[::-1].
        is_reversed = any(stride < 0 for stride in getattr(x, "strides", None) or ())
        way_out = "torch.as_tensor(x.copy())" if is_reversed else "torch.as_tensor"
        raise TensorError(f"{name}: expected a tensor, got {type(x).__name__}. Convert with {way_out}.")
    check_dense(name, x)
    shape, width = tuple(x.shape), layer.input_size
    if x.ndim not in {2, 3}:
        axes = "(B, T, F)" if layer.batch_first else "(T, B, F)"
        raise TensorError(
            f"{name}: expected {axes}, or (T, F) without a batch; got shape {shape}. Reshape it."
        )
    faults = ErrorCollector(TensorError)
    if shape[-1] != width:
        faults.add(
            f"{name}: the last axis must be input_size={width}; got shape {shape}."
            f" Rebuild with input_size={shape[-1]} or select {width} columns."
        )
    faults.collect(check_dtype_and_device, name, x, layer.weight)
    faults.raise_if_any()
    return x.to(autocast_dtype(layer.weight) or x.dtype)


def check_state(layer: InputSpec, inputs: Tensor, hx: Any, is_batched: bool) -> tuple[Tensor, ...] | None:
    """Check the parts of hx and return them, each (L * D, B, ...); None for None."""
    B, parts = inputs.shape[1], layer.state_sizes
    if hx is None:
        return None
    if len(parts) == 1 and isinstance(hx, Tensor):
        hx = (hx,)
    if (
        not isinstance(hx, tuple | list)
        or len(hx) != len(parts)
        or not all(isinstance(h, Tensor) for h in hx)
    ):
        expected = "a tensor" if len(parts) == 1 else f"a tuple of tensors ({', '.join(parts)})"
        raise TensorError(
            f"{layer.name} hx: expected {expected}, got {describe_type(hx)}."
            " Leave it out to start from zeros."
        )
    faults = ErrorCollector(TensorError)
    for (part, size), h in zip(parts.items(), hx, strict=True):
        name = f"{layer.name} hx" if len(parts) == 1 else f"{layer.name} hx, {part}"
        check_dense(name, h)
        sizes = size if isinstance(size, tuple) else (size,)
        shape = (layer.depth, B, *sizes) if is_batched else (layer.depth, *sizes)
        if tuple(h.shape) != shape:
            axes = "num_layers * directions, B" if is_batched else "num_layers * directions"
            axes += ", channels, height, width" if len(sizes) > 1 else ", size"
            faults.add(f"{name}: expected shape {shape}, which is ({axes}); got {tuple(h.shape)}.")
        faults.collect(check_dtype_and_device, name, h, layer.weight)
    faults.raise_if_any()
    return tuple((h if is_batched else h[:, None]).to(inputs.dtype) for h in hx)


def check_dtype_and_device(name: str, tensor: Tensor, weight: Tensor) -> None:
    """Check that dtype and device are those of the weights; under autocast a dtype that is cast passes."""
    dtype, expected = tensor.dtype, weight.dtype
    is_cast = autocast_dtype(weight) is not None and tensor.is_floating_point() and dtype != torch.float64
    if dtype != expected and not is_cast:
        layer = f" or the layer with .to({dtype})" if tensor.is_floating_point() else ""
        raise TensorError(
            f"{name}: expected {expected}, the dtype of the weights; got {dtype}."
            f" Convert it with .to({expected}){layer}."
        )
    if tensor.device != weight.device:
        raise TensorError(
            f"{name}: expected it on {weight.device}, where the weights are; got it on {tensor.device}."
            f" Move it with .to({str(weight.device)!r})."
        )

"""What a recurrent layer is called with, checked, in the one form that every path takes.

Shapes: T steps, B rows, F inputs; L layers, D directions (1 or 2).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ArgumentError
from unrolled.nn.layers.packed import pack_like, pad_packed
from unrolled.nn.ops import torch_internals
from unrolled.nn.ops.checks import check_dense, check_lengths, check_resets, describe_type
from unrolled.validation import ErrorCollector


class LayerInputs(NamedTuple):
    """One call of a layer: time-major, with a batch axis, in the dtype the layer computes in."""

    inputs: Tensor  # (T, B, F)
    state: tuple[Tensor, ...] | None = None  # each (L * D, B, size), None for zeros
    lengths: Tensor | None = None  # (B,) int64, None where every row has T steps
    resets: Tensor | None = None  # (B, T) bool
    is_batched: bool = True  # false where the caller left the batch axis out
    packed: PackedSequence | None = None  # what the inputs and lengths came from
    cast: torch.dtype | None = None  # what autocast asks for; inputs and state have it


class InputSpec(NamedTuple):
    """What a layer says about its calls."""

    name: str
    input_size: int
    state_sizes: Mapping[str, int]  # the last axis of each part of hx, by the part's name
    depth: int  # L * D
    batch_first: bool
    weight: Tensor  # has the dtype and device that the call must have


def check_inputs(layer: InputSpec, input: Any, hx: Any, lengths: Any, resets: Any) -> LayerInputs:  # noqa: A002 (torch's name)
    """Check one call of a layer and bring it into the form that every path takes.

    Args:
        layer: what the layer expects.
        input: (T, B, F), (B, T, F) where batch comes first, (T, F), or a PackedSequence.
        hx: None for zeros; else what `layer.state_sizes` says, each part (L * D, B, size), without B
            where the input has none.
        lengths: (B,) whole numbers from 0 to T, one number where the input has no batch axis, or None.
        resets: (B, T) bool, (T,) where the input has no batch axis, or None.

    Raises:
        ArgumentError: any of them is not so; every fault of the call has its line. Under torch.compile
            and export, where tensors have no values yet, the range of lengths is not looked at.
    """
    packed = None
    if isinstance(input, PackedSequence):
        if lengths is not None:
            raise ArgumentError(
                f"{layer.name} lengths: expected None, as a PackedSequence has its own;"
                f" got {describe_type(lengths)}. Leave them out, or pass the padded tensor."
            )
        layer, packed = layer._replace(batch_first=False), input
        input, lengths = pad_packed(f"{layer.name} input", packed)  # noqa: A001
    inputs = _inputs(layer, input)
    is_batched = inputs.ndim == 3
    if not is_batched:
        inputs = inputs[:, None]
    elif layer.batch_first:
        inputs = inputs.transpose(0, 1)
    T, B, _ = inputs.shape
    faults = ErrorCollector()
    state = faults.collect(_state, layer, inputs, hx, is_batched)
    if lengths is not None:
        lengths = faults.collect(check_lengths, layer.name, lengths, B, T, is_batched=is_batched)
    if resets is not None:
        resets = faults.collect(check_resets, layer.name, resets, B, T, is_batched=is_batched)
        if resets is not None and resets.is_meta and not inputs.is_meta:
            faults.add(f"{layer.name} resets: expected values, got a tensor on meta, where there are none.")
    faults.raise_if_any()
    if lengths is not None:
        is_held = (
            torch.compiler.is_compiling() or torch_internals.is_tracing()
        )  # by a graph, for other lengths
        is_full = not is_held and bool((lengths == T).all())
        lengths = None if is_full else lengths.to(inputs.device)
    resets = None if resets is None else resets.to(inputs.device)
    return LayerInputs(inputs, state, lengths, resets, is_batched, packed, autocast_dtype(layer.weight))


def restore_layout(
    call: LayerInputs, output: Tensor, state: tuple[Tensor, ...], *, batch_first: bool
) -> tuple[Any, Any]:
    """What a path made of a call, (T, B, size) and the parts (L * D, B, size), as the caller laid it out."""
    laid: Any = output
    if call.packed is not None:
        laid = pack_like(output, call.packed)
    elif not call.is_batched:
        laid, state = output[:, 0], tuple(part[:, 0] for part in state)
    elif batch_first:
        laid = output.transpose(0, 1)
    return laid, state[0] if len(state) == 1 else state


def autocast_dtype(weight: Tensor) -> torch.dtype | None:
    """The dtype that autocast asks of a layer with this weight, None where it asks nothing."""
    device = weight.device.type
    if weight.dtype == torch.float64 or not torch.amp.is_autocast_available(device):
        return None
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def _inputs(layer: InputSpec, found: Any) -> Tensor:
    """The input as it came, if it is a tensor of the right rank, width, dtype and device."""
    name = f"{layer.name} input"
    if not isinstance(found, Tensor):
        raise ArgumentError(
            f"{name}: expected a tensor, got {type(found).__name__}. Convert with torch.as_tensor."
        )
    check_dense(name, found)
    shape, width = tuple(found.shape), layer.input_size
    if found.ndim not in {2, 3}:
        axes = "(B, T, F)" if layer.batch_first else "(T, B, F)"
        raise ArgumentError(
            f"{name}: expected {axes}, or (T, F) without a batch; got shape {shape}. Reshape it."
        )
    faults = ErrorCollector()
    if shape[-1] != width:
        faults.add(
            f"{name}: the last axis must be input_size={width}; got shape {shape}."
            f" Rebuild with input_size={shape[-1]} or select {width} columns."
        )
    faults.collect(_check_kind, name, found, layer.weight)
    faults.raise_if_any()
    return found.to(autocast_dtype(layer.weight) or found.dtype)


def _state(layer: InputSpec, inputs: Tensor, hx: Any, is_batched: bool) -> tuple[Tensor, ...] | None:
    """The parts of hx, each (L * D, B, size); None where there is none."""
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
        wanted = "a tensor" if len(parts) == 1 else f"a tuple of tensors ({', '.join(parts)})"
        raise ArgumentError(
            f"{layer.name} hx: expected {wanted}, got {describe_type(hx)}. Leave it out to start from zeros."
        )
    faults = ErrorCollector()
    for (part, size), h in zip(parts.items(), hx, strict=True):
        name = f"{layer.name} hx" if len(parts) == 1 else f"{layer.name} hx, {part}"
        check_dense(name, h)
        wanted_shape = (layer.depth, B, size) if is_batched else (layer.depth, size)
        if tuple(h.shape) != wanted_shape:
            axes = "num_layers * directions, B" if is_batched else "num_layers * directions"
            got = tuple(h.shape)
            faults.add(f"{name}: expected shape {wanted_shape}, which is ({axes}, size); got {got}.")
        faults.collect(_check_kind, name, h, layer.weight)
    faults.raise_if_any()
    return tuple((h if is_batched else h[:, None]).to(inputs.dtype) for h in hx)


def _check_kind(name: str, found: Tensor, weight: Tensor) -> None:
    """Refuse a dtype or device that is not the weights'; autocast converts the dtype instead."""
    dtype, wanted = found.dtype, weight.dtype
    is_cast = autocast_dtype(weight) is not None and found.is_floating_point() and dtype != torch.float64
    if dtype != wanted and not is_cast:
        layer = f" or the layer with .to({dtype})" if found.is_floating_point() else ""
        raise ArgumentError(
            f"{name}: expected {wanted}, the dtype of the weights; got {dtype}."
            f" Convert it with .to({wanted}){layer}."
        )
    if found.device != weight.device:
        raise ArgumentError(
            f"{name}: expected it on {weight.device}, where the weights are; got it on {found.device}."
            f" Move it with .to({str(weight.device)!r})."
        )

"""Tell whether a torch module's outputs for classes are probabilities or logits.

Shapes: N sequences, B of them at once, T steps of the longest, K outputs.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.probe.model.layer_hook import evaluation_mode
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.torch_module import are_probabilities

# what autograd calls the operators that change a shape, select or average, and leave the kind of a number
_NEUTRAL = (
    "View", "Reshape", "UnsafeView", "Squeeze", "Unsqueeze", "Select", "Slice", "Index", "Transpose",
    "Permute", "T", "Clone", "ToCopy", "AsStrided", "Expand", "Cat", "Stack", "ConstantPadNd", "Alias",
    "Mean", "Rsub", "Unbind", "Split", "Narrow", "Clamp", "ClampMin", "ClampMax", "Copy",
)  # fmt: skip
_PROBABILITIES = ("Sigmoid", "Hardsigmoid", "Softmax")
_LINEAR = ("Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Mv", "Addmv", "Dot", "Sum", "Add", "Sub")


def gives_probabilities(probed: ProbedModel, first: Tensor, caller: str) -> bool:
    """Tell whether the outputs of a module for classes are probabilities.

    Several are, where they lie from 0 to 1 and sum to 1 for every sequence. A single one is, where it lies
    from 0 to 1 and comes out of a sigmoid or a softmax; out of a linear layer it is a logit.

    Args:
        probed: the module with all sequences.
        first: (1, K) or (1, T, K) its outputs for one of the longest: mostly they say enough.
        caller: name of the probe, for the message.

    Raises:
        ArgumentError: a single output lies from 0 to 1 for every sequence and comes out of something else.
    """
    is_single = first.shape[-1] == 1
    may_be = _lie_in_unit_interval if is_single else are_probabilities
    if not (may_be(first) and all(map(may_be, _raw_outputs(probed)))):
        return False
    if not is_single:
        return True
    kind = _kind_of(_output_with_graph(probed))
    if kind is None:
        raise ArgumentError(
            f"{caller}: expected a single output that is a logit or comes out of a sigmoid; {probed.name} "
            "puts out numbers from 0 to 1 of another origin, which may be either. Return the logit, or end "
            "the module in torch.sigmoid."
        )
    return kind == "probability"


@torch.no_grad()
def _raw_outputs(probed: ProbedModel) -> Any:
    """Yield raw outputs, (B, K) or, with an output a step, (ΣT, K)."""
    for rows in probed.batches(torch.arange(len(probed))):
        values, lengths = probed.values_at(rows), probed.lengths[rows]
        with evaluation_mode(probed.networks[0]) as network:
            raw = probed.call(network, values, lengths, rows)
        if probed.per_step:
            raw = raw[torch.arange(raw.shape[1]) < lengths[:, None]]
        yield raw


def _lie_in_unit_interval(raw: Tensor) -> bool:
    return bool(((raw >= 0) & (raw <= 1)).all())


@torch.enable_grad()
def _output_with_graph(probed: ProbedModel) -> Tensor:
    """Run the module on one sequence, so that its output knows how it was computed."""
    row = probed.lengths.argmax()[None].cpu()
    values = probed.values_at(row).detach()
    if values.is_floating_point():
        values = values.requires_grad_()
    with evaluation_mode(probed.networks[0]) as network:
        return probed.call(network, values, probed.lengths[row], row)


def _kind_of(output: Tensor) -> Literal["probability", "logit"] | None:
    """Tell what kind of number an operator puts out; None where it cannot be told.

    >>> x = torch.zeros(3, requires_grad=True)
    >>> _kind_of(torch.sigmoid(x)[:, None]), _kind_of(x @ x), _kind_of(x.exp())
    ('probability', 'logit', None)
    """
    node, is_clamped = output.grad_fn, False
    while node is not None:
        name = type(node).__name__.partition("Backward")[0]
        if name in _PROBABILITIES:
            return "probability"
        if name in _LINEAR:
            return None if is_clamped else "logit"
        if name not in _NEUTRAL or not node.next_functions:
            return None
        is_clamped |= name.startswith("Clamp")
        node = node.next_functions[0][0]
    return None

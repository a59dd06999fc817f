"""Conversion of torch's PackedSequence to a padded batch with lengths, and back.

Shapes: T steps of the longest row, B rows, F features.
"""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.errors import ArgumentError


def pad_packed(name: str, packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """Return the rows (T, B, F), padded with zeros, and their lengths (B,), in the order before packing.

    Args:
        name: of the argument, for errors.
        packed: sorted or not.

    Raises:
        ArgumentError: a step is not one vector (F,) for each row.
    """
    if packed.data.ndim != 2:
        raise ArgumentError(
            f"{name}: expected a PackedSequence of vectors, so that its data is (steps, F);"
            f" got data of shape {tuple(packed.data.shape)}. Reshape the rows before packing."
        )
    rows, lengths = pad_packed_sequence(packed)
    return rows, lengths


def pack_like(rows: Tensor, packed: PackedSequence) -> PackedSequence:
    """Pack rows (T, B, F), which are in the order of `pad_packed`, in the order of `packed`.

    >>> before = torch.nn.utils.rnn.pack_sequence([torch.ones(1, 2), torch.ones(3, 2)], enforce_sorted=False)
    >>> pack_like(pad_packed("x", before)[0] + 1, before).data.shape
    torch.Size([4, 2])
    """
    if packed.sorted_indices is not None:
        rows = rows.index_select(1, packed.sorted_indices)
    order = torch.arange(rows.shape[1], device=packed.batch_sizes.device)  # the CPU, whatever the default
    lengths = (packed.batch_sizes[:, None] > order).sum(0)  # (B,), the longest first
    data = pack_padded_sequence(rows, lengths).data
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)

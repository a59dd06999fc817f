"""Options of every recurrent layer are checked and warned of by the same functions."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from unrolled import nn as layers
from unrolled.errors import ArgumentError
from unrolled.nn.layers.options import check_bool, check_dtype, warn_of_unused_dropout


@pytest.mark.parametrize("value", [0, 1, None, "True", np.bool_(True)])
def test_only_booleans_are_true_or_false(value: Any) -> None:
    """Numbers and texts are not."""
    assert check_bool("GRU bias", True) is True
    with pytest.raises(ArgumentError, match="GRU bias: expected True or False, got"):
        check_bool("GRU bias", value)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, "float32", float])
def test_weights_are_floating_point_numbers(dtype: Any) -> None:
    """Of a type of torch, or of its default."""
    assert check_dtype("GRU dtype", None) is None
    assert check_dtype("GRU dtype", torch.bfloat16) is torch.bfloat16
    with pytest.raises(ArgumentError, match="GRU dtype: expected a floating-point dtype such as"):
        check_dtype("GRU dtype", dtype)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM", "ConvGRU", "ConvLSTM"])
def test_dropout_of_one_layer_is_warned_of_where_the_layer_is_made(name: str) -> None:
    """The warning names this file."""
    with pytest.warns(UserWarning, match=rf"{name} dropout=0.5 has no effect") as caught:
        getattr(layers, name)(2, 3, dropout=0.5)
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.parametrize(("dropout", "num_layers"), [(0.0, 1), (0.5, 2)])
def test_dropout_that_acts_is_not_warned_of(dropout: float, num_layers: int) -> None:
    """Between layers, or none at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unused_dropout("GRU", dropout, num_layers, stacklevel=1)

"""Convert Keras' ConvLSTM2D to a ConvLSTM."""

from typing import Any

import numpy as np
import torch

from unrolled.errors import ArgumentError
from unrolled.nn.layers.conv import ConvLSTM

_REQUIRED = {  # what ConvLSTM has, of Keras' options
    "padding": ("same",),
    "strides": ((1, 1), [1, 1]),
    "dilation_rate": ((1, 1), [1, 1]),
    "activation": ("tanh",),
    "recurrent_activation": ("sigmoid",),
    "go_backwards": (False,),
}


def convert_conv_lstm(layer: Any) -> ConvLSTM:
    """Convert a built ConvLSTM2D; the result takes frames (B, T, C, H, W), channels first.

    Raises:
        ArgumentError: the layer is not built, or has an option that ConvLSTM does not have.
    """
    config, weights = layer.get_config(), [np.asarray(weight) for weight in layer.get_weights()]
    for option, accepted in _REQUIRED.items():
        if config[option] not in accepted:
            raise ArgumentError(
                f"from_keras: expected a ConvLSTM2D with {option}={accepted[0]!r}, got {config[option]!r}."
            )
    if not weights:
        raise ArgumentError("from_keras: this ConvLSTM2D has no weights yet. Call it once.")
    kernel, recurrent = (torch.tensor(weight).permute(3, 2, 0, 1) for weight in weights[:2])
    sizes = (int(kernel.shape[2]), int(kernel.shape[3]))
    converted = ConvLSTM(
        kernel.shape[1], config["filters"], sizes, bias=config["use_bias"], dtype=kernel.dtype
    )
    values = {"weight_ih_l0": kernel, "weight_hh_l0": recurrent}
    if config["use_bias"]:
        bias = torch.tensor(weights[2])
        values |= {"bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias)}
    converted.load_state_dict(values)
    return converted

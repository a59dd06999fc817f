"""Conversion from and to torch.nn: settings, weights and outputs are equal, weights are copies."""

from typing import Any

import pytest
import torch

import unrolled.nn as un
from unrolled.errors import ArgumentError
from unrolled.nn.convert import from_torch, to_torch

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's oneDNN has none

T, B, F, H = 6, 4, 3, 5
KINDS = {
    "rnn": (un.RNN, torch.nn.RNN, {}),
    "rnn-relu": (un.RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
    "gru": (un.GRU, torch.nn.GRU, {}),
    "lstm": (un.LSTM, torch.nn.LSTM, {}),
    "lstm-projected": (un.LSTM, torch.nn.LSTM, {"proj_size": 2}),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False, "dtype": torch.float64},
    {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.3},
]


@pytest.mark.parametrize(("ours", "theirs", "settings"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "no-bias", "all"])
def test_both_directions_keep_settings_and_outputs(
    ours: type, theirs: type, settings: Any, options: Any
) -> None:
    """Every setting and the training mode are kept."""
    for source, convert, kind in ((ours, to_torch, theirs), (theirs, from_torch, ours)):
        original = source(F, H, **settings, **options).eval()
        converted = convert(original)
        assert type(converted) is kind
        assert not converted.training
        for option, value in {**settings, **options}.items():
            assert getattr(converted, option, value) == value, option
        x = torch.randn((B, T, F) if converted.batch_first else (T, B, F), dtype=options.get("dtype"))
        torch.testing.assert_close(converted(x), original(x), rtol=0, atol=1e-6)


def test_weights_are_copied_without_drawing_random_numbers() -> None:
    """Training one does not move the other, and an experiment with a seed runs on as before."""
    original, before = torch.nn.GRU(F, H), torch.random.get_rng_state()
    converted = from_torch(original)
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.no_grad():
        converted.weight_ih_l0.zero_()
    assert original.weight_ih_l0.abs().sum() > 0


def test_unsupported_layers_raise() -> None:
    """The error names the option."""
    refused = {
        "has the activations tanh and relu; this RNN has 'elu'": un.RNN(F, H, nonlinearity="elu"),
        "this GRU has layer_norm, which only unrolled.nn has": un.GRU(F, H, layer_norm=True),
        r"this LSTM has zoneout=\(0.0, 0.1\), whose mean acts": un.LSTM(F, H, zoneout=(0.0, 0.1)),
        "expected an RNN, GRU or LSTM of unrolled.nn, got torch.nn.modules.rnn.GRU": torch.nn.GRU(F, H),
    }  # fmt: skip
    for sentence, layer in refused.items():
        with pytest.raises(ArgumentError, match=f"^to_torch.*: .*{sentence}"):
            to_torch(layer)
    with pytest.raises(ArgumentError, match=r"expected a torch.nn.RNN, GRU or LSTM, got torch.*Linear\."):
        from_torch(torch.nn.Linear(F, H))


def test_recurrent_dropout_is_dropped_with_a_warning() -> None:
    """It acts in training only, so the outputs are equal; the warning names the caller's line."""
    layer = un.GRU(F, H, recurrent_dropout=0.2).eval()
    with pytest.warns(
        UserWarning, match=r"recurrent_dropout=0.2 acts in training only and is dropped"
    ) as warned:
        converted = to_torch(layer)
    assert warned[0].filename == __file__
    x = torch.randn(T, B, F)
    torch.testing.assert_close(converted(x), layer(x), rtol=0, atol=1e-6)

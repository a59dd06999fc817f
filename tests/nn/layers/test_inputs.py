"""Validation of a layer's arguments: error messages, and accepted types."""

from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import unrolled.nn as un
from unrolled.errors import ArgumentError

T, B, F, H = 50, 32, 8, 6


def error_message(layer: Any, *arguments: Any, **keywords: Any) -> str:
    """Return the message of the error that a call raises; explain must raise the same."""
    with pytest.raises(ArgumentError) as refused:
        layer(*arguments, **keywords)
    with pytest.raises(ArgumentError) as explained:
        layer.explain(*arguments, **keywords)
    assert str(explained.value) == str(refused.value)
    return str(refused.value)


GRU = un.GRU(F, H, batch_first=True)
X = torch.zeros(B, T, F)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            torch.zeros(B, T, 5),
            (
                "GRU input: the last axis must be input_size=8; got shape (32, 50, 5)."
                " Rebuild with input_size=5 or select 8 columns."
            ),
        ),
        (
            torch.zeros(F),
            "GRU input: expected (B, T, F), or (T, F) without a batch; got shape (8,). Reshape it.",
        ),
        (
            torch.zeros(2, B, T, F),
            "GRU input: expected (B, T, F), or (T, F) without a batch; got shape (2, 32, 50, 8). Reshape it.",
        ),
        (
            X.double(),
            (
                "GRU input: expected torch.float32, the dtype of the weights; got torch.float64."
                " Convert it with .to(torch.float32) or the layer with .to(torch.float64)."
            ),
        ),
        (
            X.long(),
            (
                "GRU input: expected torch.float32, the dtype of the weights; got torch.int64."
                " Convert it with .to(torch.float32)."
            ),
        ),
        (
            X.to("meta"),
            "GRU input: expected it on cpu, where the weights are; got it on meta. Move it with .to('cpu').",
        ),
        (X.numpy(), "GRU input: expected a tensor, got ndarray. Convert with torch.as_tensor."),
        (
            torch.nn.utils.rnn.pack_sequence([torch.zeros(3)]),
            (
                "GRU input: expected a PackedSequence of vectors, so that its data is (steps, F);"
                " got data of shape (3,). Reshape the rows before packing."
            ),
        ),
        (
            torch.nn.utils.rnn.pack_sequence([torch.zeros(3, 5)]),
            (
                "GRU input: the last axis must be input_size=8; got shape (3, 1, 5)."
                " Rebuild with input_size=5 or select 8 columns."
            ),
        ),
    ],
)
def test_invalid_inputs_raise(x: Any, sentence: str) -> None:
    """The message names the argument, the demand, what came and the way out."""
    assert error_message(GRU, x) == sentence


def test_lengths_beside_a_packed_sequence_raise() -> None:
    """Others beside it are refused."""
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(3, F)])
    assert error_message(GRU, packed, lengths=[3]) == (
        "GRU lengths: expected None with a PackedSequence, which has its own; got a list of 1."
        " Leave them out, or pass the padded tensor."
    )


def test_error_names_the_layout_of_the_layer() -> None:
    """Without batch_first the sentence says (T, B, F)."""
    assert error_message(un.RNN(F, H), torch.zeros(F)).startswith("RNN input: expected (T, B, F), or")


@pytest.mark.parametrize(
    ("hx", "sentence"),
    [
        (
            torch.zeros(2, B, H),
            "GRU hx: expected shape (1, 32, 6), which is (num_layers * directions, B, size); got (2, 32, 6).",
        ),
        (
            torch.zeros(B, H),
            "GRU hx: expected shape (1, 32, 6), which is (num_layers * directions, B, size); got (32, 6).",
        ),
        (
            (torch.zeros(1, B, H), torch.zeros(1, B, H)),
            "GRU hx: expected a tensor, got a tuple of 2. Leave it out to start from zeros.",
        ),
        (
            torch.zeros(1, B, H).double(),
            (
                "GRU hx: expected torch.float32, the dtype of the weights; got torch.float64."
                " Convert it with .to(torch.float32) or the layer with .to(torch.float64)."
            ),
        ),
    ],
)
def test_invalid_states_raise(hx: Any, sentence: str) -> None:
    """For a GRU: one tensor (L * D, B, H)."""
    assert error_message(GRU, X, hx) == sentence


def test_invalid_lstm_states_raise() -> None:
    """Each part is named, and all that is wrong is said at once."""
    layer = un.LSTM(F, H, proj_size=2)
    x, h, c = torch.zeros(T, B, F), torch.zeros(1, B, 2), torch.zeros(1, B, H)
    for wrong, got in [(h, "Tensor"), ((h, c, c), "a tuple of 3"), ([h, None], "a list of 2")]:
        expected = f"LSTM hx: expected a tuple of tensors (h_0, c_0), got {got}."
        assert error_message(layer, x, wrong).startswith(expected)
    lines = error_message(layer, x, (c, h)).splitlines()
    assert [line.split(", which")[0] for line in lines] == [
        "LSTM hx, h_0: expected shape (1, 32, 2)",
        "LSTM hx, c_0: expected shape (1, 32, 6)",
    ]
    unbatched = error_message(layer, x[:, 0], (h, c)).splitlines()[0]
    assert unbatched == (
        "LSTM hx, h_0: expected shape (1, 2), which is (num_layers * directions, size); got (1, 32, 2)."
    )


@pytest.mark.parametrize(
    ("lengths", "sentence"),
    [
        ([3] * 31, "GRU lengths: expected 32 numbers, one a row; got shape (31,)."),
        (50, "GRU lengths: expected 32 numbers, one a row; got shape ()."),
        (
            [50] * 3 + [60] + [50] * 28,
            (
                "GRU lengths: each must be from 0 to T=50; got 60 in row 3."
                " Pad the input to the longest row, or cut the length."
            ),
        ),
        (
            torch.tensor([50] * 31 + [-1]),
            (
                "GRU lengths: each must be from 0 to T=50; got -1 in row 31."
                " Pad the input to the longest row, or cut the length."
            ),
        ),
        (np.full(B, 2.0), "GRU lengths: expected whole numbers, got torch.float64. Convert them to int64."),
        (torch.ones(B, dtype=torch.bool), "GRU lengths: expected whole numbers, got torch.bool."),
        ("fifty", "GRU lengths: expected a list, array or tensor of numbers; got str."),
        ([[1, 2], [3]], "GRU lengths: expected a list, array or tensor of numbers; got a list of 2."),
    ],
)
def test_invalid_lengths_raise(lengths: Any, sentence: str) -> None:
    """The row is named."""
    assert error_message(GRU, X, lengths=lengths).startswith(sentence)


@pytest.mark.parametrize(
    ("resets", "sentence"),
    [
        (
            torch.zeros(T, B, dtype=torch.bool),
            "GRU resets: expected shape (32, 50), which is (B, T), whatever batch_first says; got (50, 32).",
        ),
        (torch.zeros(B, T), "GRU resets: expected bool, got torch.float32. Convert with .bool()."),
        (np.zeros((B, T), dtype=int), "GRU resets: expected bool, got torch.int64. Convert with .bool()."),
        (object(), "GRU resets: expected a list, array or tensor of numbers; got object."),
    ],
)
def test_invalid_resets_raise(resets: Any, sentence: str) -> None:
    """They are bool (B, T) in every layout."""
    assert error_message(GRU, X, resets=resets) == sentence


def test_unbatched_input_takes_one_length_and_one_row_of_resets() -> None:
    """One number as length, (T,) as resets."""
    lines = error_message(GRU, X[0], lengths=[50], resets=torch.zeros(1, T, dtype=torch.bool)).splitlines()
    assert lines == [
        "GRU lengths: expected one number, as the input has no batch axis; got shape (1,).",
        "GRU resets: expected shape (50,), which is (T,); got (1, 50).",
    ]


def test_all_faults_of_a_call_are_collected() -> None:
    """Width and dtype of an input together; then state, lengths and resets together."""
    lines = error_message(GRU, torch.zeros(B, T, 5).double()).splitlines()
    assert [line.split(": expected")[0][:25] for line in lines] == ["GRU input: the last axis ", "GRU input"]
    lines = error_message(GRU, X, torch.zeros(1), lengths=[1], resets=[True]).splitlines()
    assert [line.split(":")[0] for line in lines] == ["GRU hx", "GRU lengths", "GRU resets"]


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        np.array,
        torch.tensor,
        lambda n: np.array(n, dtype=np.int16),
        lambda n: torch.tensor(n, dtype=torch.int32),
        lambda n: [np.int64(k) for k in n],
        lambda n: np.broadcast_to(np.array(n), (3,)),  # an array that cannot be written
    ],
)
def test_lengths_of_any_integer_type_are_equal(form: Any) -> None:
    """Lists, tuples, arrays and tensors of any whole dtype mean the same."""
    x = torch.randn(3, 7, F)
    expected, _ = GRU(x, lengths=torch.tensor([5, 0, 7]))
    actual, _ = GRU(x, lengths=form([5, 0, 7]))
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("form", [list, np.array, torch.tensor])
def test_resets_of_any_type_are_equal(form: Any) -> None:
    """Nested lists, arrays and tensors of bool mean the same."""
    x, starts = torch.randn(2, 3, F), [[True, False, True], [False, True, False]]
    expected, _ = GRU(x, resets=torch.tensor(starts))
    actual, _ = GRU(x, resets=form(starts))
    assert torch.equal(actual, expected)
    assert not torch.equal(actual, GRU(x)[0])


def test_int8_lengths_work_with_long_inputs() -> None:
    """Lengths in int8 beside T = 300, which int8 cannot hold."""
    x, lengths = torch.randn(3, 300, F), torch.tensor([5, 0, 120], dtype=torch.int8)
    assert torch.equal(GRU(x, lengths=lengths)[0], GRU(x, lengths=[5, 0, 120])[0])


NESTED = torch.nested.nested_tensor([torch.zeros(3, F), torch.zeros(2, F)], layout=torch.jagged)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            {"input": X.to_sparse()},
            "GRU input: expected a dense tensor, got torch.sparse_coo. Convert it with .to_dense().",
        ),
        (
            {"input": NESTED},
            (
                "GRU input: expected a dense tensor, got a nested one. Pad it with"
                " torch.nested.to_padded_tensor(x, 0.0), and give lengths=."
            ),
        ),
        (
            {"input": X, "hx": torch.zeros(1, B, H).to_sparse()},
            "GRU hx: expected a dense tensor, got torch.sparse_coo. Convert it with .to_dense().",
        ),
        (
            {"input": X, "lengths": torch.ones(B, dtype=torch.long, device="meta")},
            "GRU lengths: expected numbers, got a tensor on meta, where there are none.",
        ),
        (
            {"input": X, "lengths": torch.ones(B, dtype=torch.long).to_sparse()},
            "GRU lengths: expected a dense tensor, got torch.sparse_coo. Convert it with .to_dense().",
        ),
        (
            {"input": X, "resets": torch.zeros(B, T, dtype=torch.bool, device="meta")},
            "GRU resets: expected values, got a tensor on meta, where there are none.",
        ),
    ],
)
def test_sparse_nested_and_meta_tensors_raise(call: dict[str, Any], sentence: str) -> None:
    """Sparse, nested and meta tensors are named for what they are."""
    assert error_message(GRU, **call) == sentence


def test_a_reversed_array_is_refused_with_a_way_out_that_works() -> None:
    """torch.as_tensor alone would refuse it too."""
    x = np.zeros((T, B, F), np.float32)[::-1]
    message = error_message(GRU, x)
    assert message.endswith("Convert with torch.as_tensor(x.copy()).")
    assert un.GRU(F, H)(torch.as_tensor(x.copy()))[0].shape == (T, B, H)


@pytest.mark.parametrize("lengths", [[5, 0, 3], torch.tensor([5, 0, 3]), np.array([5, 0, 3])[::-1]], ids=type)
def test_layers_without_values_give_shapes(lengths: Any) -> None:
    """On meta and for fake tensors, with lengths in any form."""
    layer, x = un.LSTM(F, H), torch.zeros(5, 3, F)
    output, _ = un.LSTM(F, H, device="meta")(x.to("meta"), lengths=lengths)
    assert output.is_meta
    assert output.shape == (5, 3, H)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake, (h_n, _) = layer(mode.from_tensor(x), lengths=lengths)
    assert (fake.shape, h_n.shape) == ((5, 3, H), (1, 3, H))

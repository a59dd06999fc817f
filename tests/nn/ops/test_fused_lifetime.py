"""One operator on the kernels, in the life of a torch program: threads, checkpoints, hooks, memory."""

import copy
import gc
import pickle
import threading
import weakref

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels
from unrolled.kernels import memory_pool

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

T, B, F, H = 5, 3, 2, 4  # every axis a different size


def test_threads_may_change_between_the_passes() -> None:
    """The gradients are the same."""
    before, layer, x = torch.get_num_threads(), un.LSTM(F, H), torch.randn(T, B, F)
    expected = torch.autograd.grad(layer(x)[0].sum(), layer.parameters())
    output = layer(x)[0]
    try:
        torch.set_num_threads(2)
        actual = torch.autograd.grad(output.sum(), layer.parameters())
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [un.LSTM, un.GRU])
@pytest.mark.parametrize("rows", [2, 9])
def test_no_bit_of_a_wide_layer_depends_on_the_number_of_threads(layer: type, rows: int) -> None:
    """They share its units on a quiet machine, and one runs all on a busy one: a fit must not tell which."""
    torch.manual_seed(0)
    before, wide = torch.get_num_threads(), layer(24, 512)
    x, lengths = torch.randn(7, rows, 24, requires_grad=True), torch.arange(rows) % 7 + 1

    def results(threads: int) -> list[Tensor]:
        torch.set_num_threads(threads)
        output, state = wide(x, lengths=lengths)
        total = output.square().sum() + (state if layer is un.GRU else state[0]).sum()
        return [output, *torch.autograd.grad(total, [x, *wide.parameters()])]

    try:
        alone, shared = results(1), results(2)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(alone, shared, strict=True))


def test_concurrent_calls_do_not_mix_results() -> None:
    """As DataParallel calls replicas."""
    layer = un.GRU(F, 64)
    xs = [torch.randn(40, 16, F) for _ in range(4)]

    def step(x: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(layer(x)[0].square().sum(), layer.parameters()))

    expected, actual = [step(x) for x in xs], {}
    threads = [
        threading.Thread(target=lambda k=k: actual.update({k: [step(xs[k]) for _ in range(8)]}))
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert all(all(map(torch.equal, again, expected[k])) for again in actual[k])


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpointing_gives_the_same_gradients(use_reentrant: bool) -> None:
    """The same gradients."""
    layer, x = un.LSTM(F, H, 2), torch.randn(T, B, F, requires_grad=True)
    expected = torch.autograd.grad(layer(x)[0].sum(), [x, *layer.parameters()])
    output = torch.utils.checkpoint.checkpoint(lambda x: layer(x)[0], x, use_reentrant=use_reentrant)
    layer.zero_grad()
    output.sum().backward()
    actual = [x.grad, *(weight.grad for weight in layer.parameters())]
    assert all(map(torch.equal, actual, expected))


def test_saved_tensors_pass_the_hooks() -> None:
    """What the backward pass needs can be moved elsewhere: all of it that is large."""
    layer, x, packed = un.LSTM(F, H), torch.randn(T, B, F), []
    expected = torch.autograd.grad(layer(x)[0].sum(), layer.parameters())
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t.clone(), lambda t: t):
        output, _ = layer(x)
    assert sum(t.numel() for t in packed) >= 4 * T * B * H
    assert all(map(torch.equal, torch.autograd.grad(output.sum(), layer.parameters()), expected))


def test_a_layer_can_be_copied_and_pickled_after_a_call() -> None:
    """A call leaves nothing on it."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    before, state = layer(x)[0], set(vars(layer))
    assert set(vars(layer)) == state
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.share_memory()):
        assert torch.equal(twin(x)[0], before)


def test_hooks_and_anomalies_see_the_node() -> None:
    """A gradient of the output can be looked at, and detect_anomaly finds nothing wrong."""
    layer, seen = un.RNN(F, H), []
    output, _ = layer(torch.randn(T, B, F))
    output.register_hook(seen.append)
    with pytest.warns(UserWarning, match="Anomaly"), torch.autograd.detect_anomaly():
        output.sum().backward()
    assert [gradient.shape for gradient in seen] == [(T, B, H)]


# ---- memory


def test_large_results_are_pooled_and_returned() -> None:
    """A block serves again when the last tensor on it goes, never before; nothing is left in a cycle."""
    kernels.release()
    layer, x = un.LSTM(4, 128), torch.randn(40, 64, 4)
    before = memory_pool.SHARED.pooled_bytes
    output, _ = layer(x)
    members = memory_pool.SHARED.pooled_bytes - before
    assert members > 4 * 40 * 64 * 128 * 4  # gates and outputs
    copied, addresses = output.detach().clone(), {output.data_ptr()}
    for _ in range(3):
        again, _ = layer(x + 1)
        assert again.data_ptr() not in addresses  # the first is alive
    assert torch.equal(output, copied)
    node = weakref.ref(output.grad_fn)
    gc.disable()
    try:
        del output, again, _
        assert node() is None
    finally:
        gc.enable()
    assert kernels.release() >= members
    assert memory_pool.SHARED.pooled_bytes <= before


def test_a_large_gradient_of_the_input_has_its_strides() -> None:
    """From the pool, whether batch or time came first, and equal to the small ones put together."""
    layer = un.GRU(64, 8)
    for make in (lambda: torch.randn(64, 128, 64), lambda: torch.randn(128, 64, 64).transpose(0, 1)):
        x = make().requires_grad_()
        (actual,) = torch.autograd.grad(layer(x)[0].sum(), x)
        parts = [x[:, k : k + 16] for k in range(0, 128, 16)]
        expected = [torch.autograd.grad(layer(part)[0].sum(), part)[0] for part in parts]
        assert actual.stride() == x.stride()
        torch.testing.assert_close(actual, torch.cat(expected, 1), rtol=0, atol=0)

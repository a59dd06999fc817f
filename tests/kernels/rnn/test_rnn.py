"""The recurrences in C++ alone, as rnn.cpp runs them, and in a child of a fork."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled import kernels

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

# A child runs on one thread, where sums over rows take another order.
FORK = """
import multiprocessing, sys, torch
import unrolled.nn as un

torch.set_num_threads(2)
torch.manual_seed(0)
layers = [un.LSTM(16, 33, num_layers=2, bidirectional=True), un.GRU(16, 256)]
inputs = [torch.randn(20, 16, 16), torch.randn(20, 2, 16)]  # shared out by rows, and by units

def results():
    found = []
    for layer, x in zip(layers, inputs):
        output, _ = layer(x, lengths=[len(x)] * x.shape[1])
        found += [output, *torch.autograd.grad(output, layer.parameters(), output.detach())]
    return [part.detach().numpy().tobytes() for part in found]

torch.set_num_threads(1)
alone = results()
torch.set_num_threads(2)
before = results()
context = multiprocessing.get_context("fork")
children = [context.Process(target=lambda: sys.exit(0 if results() == alone else 3)) for _ in range(3)]
for each in children:
    each.start()
is_same = results() == before
for each in children:
    each.join()
print([each.exitcode for each in children], is_same)
"""


def test_random_recurrences_equal_a_slow_loop(recurrence_driver: Callable[..., Path]) -> None:
    """Every cell, activation, option and plan equals a slow loop, forward and back; a plan keeps the bits."""
    name = kernels.build_info()["runnable"].split()[-1]
    ran = subprocess.run(
        [recurrence_driver(name, "-O0"), "80"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{name}\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", kernels.build_info()["runnable"].split())
def test_many_random_recurrences_equal_a_slow_loop(name: str, recurrence_driver: Callable[..., Path]) -> None:
    """As it is shipped, on every instruction set."""
    ran = subprocess.run(
        [recurrence_driver(name, "-O3"), "20000"], capture_output=True, text=True, check=False, timeout=1500
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{name}\n", "")


def test_forked_children_compute_the_same() -> None:
    """Forward and backward, on a team of their own, while the parent goes on; none of them hangs."""
    ran = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.stdout == "[0, 0, 0] True\n"
    assert ran.stderr.count("torch runs on one thread") == 3

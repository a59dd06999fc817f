"""A child of a fork runs what needs torch's operators: on one thread, and it says so."""

import os
import subprocess
import sys

import pytest

FORK = """
import multiprocessing, sys, warnings
import numpy, torch
from torch.nn.utils.rnn import pack_padded_sequence
import unrolled as ur, unrolled.nn as un

def bidirectional(x):
    layer = un.LSTM(32, 64, num_layers=2, bidirectional=True, dropout=0.3)
    layer(x)[0].square().sum().backward()
    return layer.weight_hh_l1.grad

PACKED = pack_padded_sequence(torch.randn(64, 64, 32), [64] * 32 + [40] * 32)

def packed(x):
    return un.GRU(32, 64)(PACKED, torch.zeros(1, 64, 64))[0].data

def fit(x):
    y = torch.arange(len(x)) % 2
    model = ur.SequenceClassifier(hidden_size=8, max_epochs=2, n_members=1, stem=False).fit(x.numpy(), y)
    return torch.from_numpy(model.predict_proba(x.numpy()))

run, thread_first = globals()[sys.argv[1]], sys.argv[2] == "one"

def result():
    torch.manual_seed(0)
    return run(torch.randn(64, 64, 32)).detach().numpy()

def child(expected):
    if thread_first:
        torch.set_num_threads(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_same = numpy.allclose(result(), expected, rtol=1e-3, atol=1e-4)  # gradients are sums by threads
    said = [one for one in caught if "child of a fork" in str(one.message)]
    is_warned = len(said) == (0 if thread_first else 1)
    sys.exit(0 if is_same and is_warned and torch.get_num_threads() == 1 else 3)

torch.set_num_threads(2)
expected = result()
(torch.ones(300_000) + 1).sum()  # torch's threads are there
process = multiprocessing.get_context("fork").Process(target=child, args=(expected,))
process.start()
process.join(60)
print(process.exitcode, torch.get_num_threads())
process.kill()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize(
    ("run", "threads"),
    [
        ("bidirectional", "two"),
        pytest.param("bidirectional", "one", marks=pytest.mark.slow),
        pytest.param("packed", "two", marks=pytest.mark.slow),
        pytest.param("fit", "two", marks=pytest.mark.slow),
    ],
)
def test_a_forked_child_returns_with_the_result_of_its_parent(run: str, threads: str) -> None:
    """The parent keeps its threads; whoever chose one thread in the child is not warned."""
    ran = subprocess.run(
        [sys.executable, "-c", FORK, run, threads], capture_output=True, text=True, check=False, timeout=120
    )
    assert (ran.stdout, ran.stderr) == ("0 2\n", "")

"""Threads of torch are as many as the process may use while work runs, and the caller's afterwards."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from unrolled import Forecaster, SequenceClassifier
from unrolled.train import threads
from unrolled.train.threads import shared_processors, single_thread, threads_for


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two threads of torch, and one processor for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "usable_processors", lambda: 1)
    yield
    torch.set_num_threads(before)


def _mkl_threads() -> int | None:
    """Return MKL's number for this thread; None where torch has no MKL."""
    set_mkl = threads._setters()[1]
    if set_mkl is None:
        return None
    number = int(set_mkl(1))
    set_mkl(number)
    return number


def test_threads_follow_what_the_process_may_use() -> None:
    """One processor, one thread, of OpenMP and of MKL; two afterwards."""
    mkl_before = _mkl_threads()
    with shared_processors():
        assert torch.get_num_threads() == 1
        assert _mkl_threads() in {1, None}
    assert torch.get_num_threads() == 2
    assert _mkl_threads() == mkl_before


def test_the_callers_number_is_an_upper_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer threads than processors are left as they are."""
    monkeypatch.setattr(threads, "usable_processors", lambda: 64)
    torch.set_num_threads(1)
    with shared_processors():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 1


def test_only_large_work_is_shared() -> None:
    """A few operations run on one thread, many on as many as before; both leave the number as it was."""
    for n_operations, expected in ((1000, 1), (1e9, 2)):
        with threads_for(n_operations):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_restores_them(error: type[BaseException]) -> None:
    """Ctrl-C too."""
    with pytest.raises(error), shared_processors():
        raise error
    assert torch.get_num_threads() == 2


def test_calls_may_be_nested() -> None:
    """The outer one holds until it ends."""
    with shared_processors():
        with shared_processors():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_other_threads_keep_theirs() -> None:
    """Neither a thread that begins meanwhile nor one that begins later sees the limit."""
    seen = []

    def look() -> None:
        torch.ones(4).sum()
        seen.append(torch.get_num_threads())

    with shared_processors():
        worker = threading.Thread(target=look)
        worker.start()
        worker.join()
    worker = threading.Thread(target=look)
    worker.start()
    worker.join()
    assert seen == [2, 2]


def test_without_openmp_torch_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the libraries are not to be had, `torch.set_num_threads` does the same for all threads."""
    monkeypatch.setattr(threads, "_setters", lambda: (None, None))
    with shared_processors():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


class _StopError(Exception):
    """Raised by a callback."""


@pytest.mark.parametrize("error", [None, _StopError, KeyboardInterrupt])
def test_a_fit_leaves_the_callers_threads(error: type[BaseException] | None) -> None:
    """Whether it ends well, fails or is interrupted; within it there is one."""
    seen = []

    def callback(_: dict[str, object]) -> None:
        seen.append(torch.get_num_threads())
        if error is not None:
            raise error

    model = Forecaster(horizon=2, hidden_size=4, max_steps=4, val_check_steps=2)
    values = np.random.default_rng(0).normal(size=80).cumsum()
    if error is _StopError:
        with pytest.raises(_StopError):
            model.fit(values, callbacks=[callback])
    else:
        model.fit(values, callbacks=[callback])
        model.predict()
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


def test_fits_in_two_python_threads_leave_theirs_and_each_other_alone() -> None:
    """Both run on one thread, both get their number back, and the results are those of fits one by one."""
    X = np.random.default_rng(0).normal(size=(24, 6, 2))
    y = np.arange(24) % 2
    answers: dict[int, object] = {}
    after: list[int] = []

    def fit(seed: int) -> None:
        model = SequenceClassifier(hidden_size=4, max_epochs=3, n_members=1, random_state=seed)
        answers[seed] = model.fit(X, y).predict_proba(X).tobytes()
        after.append(torch.get_num_threads())

    workers = [threading.Thread(target=fit, args=(seed,)) for seed in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    together = dict(answers)
    for seed in (1, 2):
        fit(seed)
    assert answers == together
    assert after == [2] * 4
    assert torch.get_num_threads() == 2


def test_a_single_thread_is_given_back() -> None:
    """Within it one, afterwards as many as before."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with single_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

"""Children of a fork: torch's threads stay behind in the parent, and its operators would wait for them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch

_TASKS = Path("/proc/self/task")


class _Fork:
    """Facts about the fork that this process came from."""

    parent_had_threads = False
    lacks_threads = False  # of the parent, which torch would wait for


def leave_lost_threads() -> None:
    """Let torch run on one thread, with a warning, in a child of a fork whose parent had other threads.

    OpenMP, by which torch's operators share large work out, keeps its threads for the next operator. In the
    child they are gone, and an operator that needs two of them never returns. So a worker of torch's
    DataLoader runs on one thread from its start; here it is the first call that needs such operators.
    """
    if not _Fork.lacks_threads:
        return
    _Fork.lacks_threads = False
    if torch.get_num_threads() == 1:
        return
    torch.set_num_threads(1)
    warnings.warn(
        "this process is a child of a fork, whose parent keeps torch's threads: torch runs on one thread "
        "here. Start it with spawn for more, or call torch.set_num_threads(1) first.",
        stacklevel=2,
    )


def _before_fork() -> None:
    try:
        _Fork.parent_had_threads = len(list(_TASKS.iterdir())) > 1
    except OSError:  # not Linux
        _Fork.parent_had_threads = True


def _begin_in_child() -> None:
    _Fork.lacks_threads = _Fork.parent_had_threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_begin_in_child)

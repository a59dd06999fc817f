"""Load on a process that is killed at random moments, and the account of what came of it."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.stream.client import connect

CHILD = Path(__file__).with_name("kill_child.py")


def run_and_kill(store: object, *, n_kills: int, recurrence: Any, n_streams: int = 6) -> dict[str, int]:
    """Send numbered messages of several streams, kill the process `n_kills` times, resend what has no answer.

    Every answer must be that of an uninterrupted run, and no message may be old or leave a gap.

    Returns:
        Counts: messages, resent ones, and those of them that had been applied before the kill.
    """
    rng, picks = np.random.default_rng(0), random.Random(0)
    counts = {"messages": 0, "resent": 0, "again": 0}
    inputs: dict[str, list[Any]] = {f"s{k}": [] for k in range(n_streams)}
    answers: dict[str, list[Any]] = {stream: [] for stream in inputs}
    waiting: list[Any] = []
    for kill in range(n_kills + 1):
        child = subprocess.Popen(
            [sys.executable, CHILD, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdin is not None
        assert child.stdout is not None
        killer, n_batches = None, 0
        try:
            while n_batches < 25 or kill < n_kills:
                counts["resent" if waiting else "messages"] += len(waiting) or n_streams
                if not waiting:
                    for stream, past in inputs.items():
                        events = rng.normal(size=(picks.randint(1, 3), 3)).tolist()
                        waiting.append([stream, len(past) + 1, events])
                        past.extend(events)
                print(json.dumps(waiting), file=child.stdin, flush=True)
                line = child.stdout.readline()
                if not line:
                    break  # killed before it answered
                for (stream, n, events), reply in zip(waiting, json.loads(line), strict=True):
                    assert reply["kind"] in {"Applied", "Again"}, (stream, n, reply)
                    assert reply["last"] == n + len(events) - 1
                    counts["again"] += reply["kind"] == "Again"
                    answers[stream] += json.loads(reply["y"])
                waiting, n_batches = [], n_batches + 1
                if killer is None and kill < n_kills:  # it has started; SIGKILL comes at any moment from now
                    killer = threading.Timer(picks.uniform(0, 0.05), child.kill)
                    killer.start()
        except BrokenPipeError:
            pass  # killed while it was sent to
        finally:
            if killer:
                killer.join()
            child.kill()
            child.communicate()
    whole = recurrence(capacity=n_streams).steps({stream: np.array(x) for stream, x in inputs.items()})
    for stream, each in answers.items():
        assert np.array_equal(np.array(each), whole[stream]), stream
    return counts


def serve_and_kill(url: str, kill_and_start: Callable[[], object], *, n_kills: int, recurrence: Any) -> int:
    """Load a server through one client while `kill_and_start` ends what it stands on at random moments.

    Every answer must be that of an uninterrupted run.

    Returns:
        How often all streams were answered.
    """
    picks, rng, has_ended = random.Random(0), np.random.default_rng(0), threading.Event()
    inputs: dict[str, list[Any]] = {f"s{k}": [] for k in range(20)}
    answers: dict[str, list[Any]] = {name: [] for name in inputs}

    def load() -> None:
        with connect(url) as client:
            while not has_ended.is_set():
                new = {name: rng.normal(size=(picks.randint(1, 3), 3)) for name in inputs}
                for name, each in client.steps(new).items():
                    inputs[name].append(new[name])
                    answers[name] += each

    thread = threading.Thread(target=load)
    thread.start()
    for _ in range(n_kills):
        n_answers = len(answers["s0"])
        while len(answers["s0"]) == n_answers and thread.is_alive():
            has_ended.wait(0.01)  # until it is served
        has_ended.wait(picks.uniform(0.0, 0.1))
        kill_and_start()
    has_ended.wait(0.2)
    has_ended.set()
    thread.join(60)
    assert not thread.is_alive()
    whole = recurrence(capacity=20).steps({name: np.concatenate(each) for name, each in inputs.items()})
    for name, each in answers.items():
        assert np.array_equal(np.array(each), whole[name]), name
    return len(inputs["s0"])

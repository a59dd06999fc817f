"""The scripts of examples/ do what they say."""

import importlib.util
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import unrolled as ur

EXAMPLES = Path(__file__).parents[2] / "examples"
N_ROWS = 400


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _csv(rows: NDArray[np.float64]) -> str:
    return "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())


def _read_answers(path: Path) -> list[Any]:
    """All answers, of messages that follow on each other."""
    answers: list[Any] = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        message = json.loads(line)
        assert message["n"] == len(answers) + 1
        answers += message["y"]
    return answers


def _write_in_pieces(path: Path, content: bytes, picks: random.Random) -> None:
    """Append to a file as a logger does: lines come in pieces, and any of them may be cut for a while."""
    while content:
        n = picks.randint(1, 2500)
        with path.open("ab") as file:
            file.write(content[:n])
        content = content[n:]
        time.sleep(0.02)


def test_a_tailed_file_counts_each_row_once_whatever_is_killed(
    start_server: Callable[[object], Any], tmp_path: Path, recurrence: Any
) -> None:
    """Reader and server are killed while the file grows; the answers are those of an uninterrupted run."""
    rows = np.random.default_rng(0).normal(size=(N_ROWS, 3))
    content = _csv(rows).encode()
    source, answers, picks = tmp_path / "readings.csv", tmp_path / "answers.jsonl", random.Random(0)
    source.touch()
    server = start_server(tmp_path / "streams.db")
    script = [sys.executable, EXAMPLES / "tail_csv.py", source, answers, f"{server.url}/streams/s/steps"]
    reader = subprocess.Popen(script)
    try:
        for k, part in enumerate(np.array_split(np.frombuffer(content, np.uint8), 6)):
            _write_in_pieces(source, part.tobytes(), picks)
            if k == 2:
                server.end(9)
                server.start()
            reader.kill()
            reader.wait()
            if k % 2:  # a line that the kill cut, which this one did not
                with answers.open("ab") as file:
                    file.write(b'{"n": ')
            reader = subprocess.Popen(script)
        until = time.monotonic() + 60
        while len(_read_answers(answers)) < N_ROWS and reader.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        reader.kill()
        reader.wait()
    assert np.array_equal(_read_answers(answers), recurrence().steps({"s": rows})["s"])


def test_a_message_without_a_written_answer_is_asked_for_again(
    served: Any, tmp_path: Path, recurrence: Any, events: NDArray[np.float64]
) -> None:
    """The kill came between the server's commit and the line: fewer, as many and more rows wait by then."""
    module, whole = _load("tail_csv"), recurrence().steps({"s": events})["s"]
    for k, n_sent in enumerate((1, 5, 7)):
        source, answers = tmp_path / f"{k}.csv", tmp_path / f"{k}.jsonl"
        answers.write_text(json.dumps({"n": 1, "y": whole[:3].tolist()}) + '\n{"n": 4, "y": [[0.5, ')
        source.write_text(_csv(events[:10]))
        path = f"/streams/tail-{k}/steps"
        served.request("POST", path, {"n": 1, "x": events[:3].tolist()})
        served.request("POST", path, {"n": 4, "x": events[3 : 3 + n_sent].tolist()})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module.time, "sleep", _end)  # at the end of the file
            with pytest.raises(EOFError):
                module.follow(source, answers, served.url + path)
        assert np.array_equal(_read_answers(answers), whole[:10])


def _end(seconds: float) -> None:
    raise EOFError


class KeyState(dict[str, bytes]):
    """State of a key, as Quix Streams gives one."""

    get_bytes = dict.get
    set_bytes = dict.__setitem__


def test_a_consumer_of_kafka_steps_each_key_from_its_state() -> None:
    """Two keys in turn, by two processes; each has the answers of its own sequence."""
    module = _load("kafka_consumer")
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(8, 2)) + slope for slope in (-1, 1) * 4]
    model = ur.SequenceClassifier(hidden_size=4, max_epochs=1, n_members=1).fit(X, ["down", "up"] * 4)
    steppers, states = [module.Stepper(model) for _ in range(2)], [KeyState(), KeyState()]
    for step in range(6):
        for key in range(2):
            answer = steppers[step % 2]({"x": X[key][step].tolist()}, states[key])
            assert answer == {"y": model.predict_proba([X[key][: step + 1]])[0].tolist()}

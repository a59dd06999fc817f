"""Every benchmark still runs: at toy size, without the real data, and without leaving numbers behind."""

import importlib
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

import unrolled.nn

ROOT = Path(__file__).parents[1]
SHARED = {
    "record",
    "timing",
    "panel",
    "recurrent",
    "run",
    "worlds",
    "labelled_worlds",
    "labelled_sets",
    "trust",
}
# A whole backtest or comparison for each of several seeds: too long for every day.
SLOW = {"verdict_trust", "comparison_trust"}
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in SHARED)


def _module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module(f"benchmarks.{name}")


def _results() -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (ROOT / "benchmarks" / "results").iterdir()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in NAMES]
)
def test_every_benchmark_runs_at_toy_size(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--toy` prints a table, needs no real data, and writes nothing."""
    module, before = _module(name, monkeypatch), _results()
    monkeypatch.setattr(sys, "argv", [name, "--toy"])
    module.main(module.run)  # one `main` for all: it writes commit, machine and versions
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) >= 2
    assert _results() == before
    if (absent := _module("rivals.driver", monkeypatch).ABSENT) in printed:
        pytest.skip(absent)  # what needs no rival has run


def test_the_runner_knows_every_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """No benchmark is forgotten by `make bench`, none is offered that is not there."""
    run = _module("run", monkeypatch)
    assert sorted(run.BENCHMARKS | run.SLOW) == NAMES


@pytest.mark.parametrize(("given", "name"), [([], "timing"), (["--name", "timing.epyc"], "timing.epyc")])
def test_a_benchmark_writes_its_numbers_beside_the_machine(
    given: list[str],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Commit, date, processor, threads and versions lie beside what was measured; under another name too."""
    record = _module("record", monkeypatch)
    timing = _module("timing", monkeypatch)
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sys, "argv", ["timing", *given])
    monkeypatch.setattr(timing, "run", lambda toy: {"rows": [{"toy": toy}]}, raising=False)
    timing.run.__module__ = timing.__name__
    record.main(timing.run)
    written = json.loads((tmp_path / "results" / f"{name}.json").read_text())
    assert written["rows"] == [{"toy": False}]
    wanted = {"commit", "changed_since", "date", "cpu", "cores", "threads", "versions", "seconds"}
    assert wanted < set(written)
    assert f"results/{name}.json" in capsys.readouterr().out


def test_an_interrupted_run_goes_on_with_the_results_of_its_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was computed is not computed again; another commit's results are; nothing stays behind."""
    record, kept_in, computed = _module("record", monkeypatch), tmp_path / "x.partial.json", []

    def compute(name: str) -> dict[str, str]:
        if name == "c" and len(computed) < 3:
            computed.append("interrupted")
            raise KeyboardInterrupt
        computed.append(name)
        return {"of": name}

    monkeypatch.setattr(record, "commit", lambda: "1234567")
    with pytest.raises(KeyboardInterrupt):
        list(record.resumed("abc", compute, kept_in))
    assert [row["of"] for row in record.resumed("abc", compute, kept_in)] == ["a", "b", "c"]
    assert computed == ["a", "b", "interrupted", "c"]
    assert not kept_in.exists()
    kept_in.write_text(json.dumps({"commit": "7654321", "rows": {"a": {"of": "another"}}}))
    assert [row["of"] for row in record.resumed("a", compute, kept_in)] == ["a"]


def test_pairs_are_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy moment that slows both of a pair leaves their ratio as it is."""
    timing = _module("timing", monkeypatch)
    clock = {"now": 0.0}
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock["now"])
    calls = {"ours": 0, "rival": 0}

    def taking(name: str, seconds: float) -> None:
        clock["now"] += seconds * (1 + calls[name])  # each pair slower than the one before
        calls[name] += 1

    told = timing.interleaved(lambda: taking("ours", 1.0), lambda: taking("rival", 2.0), repeats=5)
    assert told["ratio"] == 0.5
    assert told["ratio_quartiles"] == [0.5, 0.5]


def test_wide_quartiles_are_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and the second measurement is what is told; steady ratios are measured once."""
    timing = _module("timing", monkeypatch)
    calls = {"ours": 0, "steady": 0, "restless": 0}

    def taking(name: str, times: int) -> float:
        calls[name] += 1
        is_slow = name == "restless" and calls[name] <= 2 + 2 * timing.TURNS and calls[name] % 4 == 0
        return times * {"ours": 1.0, "steady": 3.0, "restless": 5.0 if is_slow else 2.0}[name]

    sides = {name: partial(taking, name) for name in ("ours", "steady", "restless")}
    told, measured = timing.in_turns({name: sides[name] for name in ("ours", "steady")}, toy=False)
    assert (told["steady"].ms, told["steady"].times, measured) == (3000.0, 3.0, 1)
    told, measured = timing.in_turns(sides, toy=False)
    assert (told["restless"].times, told["restless"].quartiles, measured) == (2.0, (2.0, 2.0), 2)


def test_what_is_not_equal_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong answer, NaN among them, ends a benchmark, and so does a layer that takes another path."""
    recurrent = _module("recurrent", monkeypatch)
    right = {"output": np.array([1.0, -4.0]), "more": np.array([7.0])}
    assert recurrent.difference("rival", right, {"output": np.array([1.0001, -4.0])}) == 2.5e-5
    for wrong in (1.001, np.nan):
        with pytest.raises(SystemExit, match="rival: output differs by"):
            recurrent.difference("rival", right, {"output": np.array([wrong, -4.0])})
    layer, x = unrolled.nn.RNN(2, 3, nonlinearity=torch.sin), torch.ones(5, 1, 2)
    assert recurrent.path(layer, x, toy=True) == "reference"
    with pytest.raises(SystemExit, match="would not measure our kernels; the layer takes reference"):
        recurrent.path(layer, x, toy=False)


RIVAL = """
import numpy as np
from benchmarks.rivals.job import Job
VERSIONS = ("numpy",)
print("a framework says hello")
def training(arrays, power):
    done = []
    return Job(done.append, lambda: {"done": np.array(done), "answer": arrays["x"] ** power})
"""


def test_a_rival_lives_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arrays go there, it runs as often as asked, answers come back; what it prints disturbs nobody."""
    driver = _module("rivals.driver", monkeypatch)
    (tmp_path / "pretended.py").write_text(RIVAL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with driver.Worker("pretended", Path(sys.executable)) as worker:
        assert worker.versions() == {"numpy": np.__version__}
        worker.load("training", {"x": np.array([3.0])}, power=2)
        assert worker.run(5) > 0
        answers = worker.answers()
        assert (answers["done"].tolist(), answers["answer"].tolist()) == ([5], [9.0])
        worker.load("training", {}, power=2)
        with pytest.raises(SystemExit, match=r"pretended could not answer[.]\n(.|\n)*KeyError: 'x'"):
            worker.answers()


def test_rows_that_are_not_measured_again_keep_their_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--only` replaces the rows that it names, and says what is still left out."""
    record, module = _module("record", monkeypatch), _module("transcription", monkeypatch)
    row = {"task": "captions", "model": "seed 0", "wer": 0.5}
    earlier = {
        "commit": "old",
        "cpu": "slow",
        "rows": [row],
        "rivals": [{**row, "model": "nearest recording"}],
    }
    (tmp_path / "transcription.json").write_text(json.dumps(earlier))
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "machine", lambda: {"commit": "new", "cpu": "quick"})
    monkeypatch.setattr(module, "available_tasks", lambda toy: [module.KNOWN, "captions"])
    monkeypatch.setattr(module, "rivals", lambda tasks, toy: [])
    new = {"wer": 0.1, "commit": "new", "cpu": "quick"}
    monkeypatch.setattr(
        module, "measure", lambda name, toy: {"task": module.task_of(name), "model": name[-6:], **new}
    )
    monkeypatch.setattr(
        sys, "argv", ["transcription", "--only", "captions: seed 1", "--only", "digits, known"]
    )
    module.main(module.run)
    written = json.loads((tmp_path / "transcription.json").read_text())
    of = {f"{row['task']}: {row['model']}": row["commit"] for row in written["rows"]}
    assert of == {
        "captions: seed 0": "old",
        "captions: seed 1": "new",
        f"{module.KNOWN}: seed 0": "new",
        f"{module.KNOWN}: seed 1": "new",
    }
    assert [(row["commit"], row["cpu"]) for row in written["rivals"]] == [("old", "slow")]
    assert written["left_out"][0].endswith("unheard: seed 0")
    assert written["left_out"][-1] == "prompts: seed 1"


def test_a_part_that_no_row_begins_with_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The results would be written anew with nothing measured."""
    module = _module("transcription", monkeypatch)
    with pytest.raises(SystemExit, match=r"--only: expected beginnings of digits, .*; got digitz\.$"):
        module.run(True, ["digits", "digitz"])


@pytest.mark.parametrize("name", ["frameworks", "epoch", "fit_time"])
def test_absent_rivals_are_told_in_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No figure is written without them."""
    module = _module(name, monkeypatch)
    monkeypatch.setattr(module, "limit_threads", lambda toy: None)
    monkeypatch.setattr(module, "path", lambda *_, **__: "fused", raising=False)
    small = {"SHAPES": getattr(module, "TOY", []), "TURN_S": 1e-4}  # were it to run all the same
    for constant in small.keys() & vars(module):
        monkeypatch.setattr(module, constant, small[constant])
    for variable in ("UNROLLED_RIVALS_PYTHON", "UNROLLED_CLASSIFIERS_PYTHON"):
        monkeypatch.setenv(variable, str(tmp_path / "python"))
    with pytest.raises(SystemExit, match="the rivals are not here: make their environment with `make rivals"):
        module.run(False)


def _pretended(run: ModuleType, failing: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the runner start nothing, one of its benchmarks fail, and tell what it would have started."""
    started: list[str] = []

    def start(command: list[str], **settings: object) -> subprocess.CompletedProcess[str]:
        started.append(command[2].removeprefix("benchmarks."))
        return subprocess.CompletedProcess(command, int(started[-1] == failing))

    monkeypatch.setattr(run, "subprocess", SimpleNamespace(run=start))
    return started


def test_a_failing_benchmark_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next one runs, and the last line and the status say which failed."""
    run = _module("run", monkeypatch)
    started = _pretended(run, "m3", monkeypatch)
    monkeypatch.setattr(sys, "argv", ["run", "m3", "kernels"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert started == ["m3", "kernels"]
    assert ended.value.code == 1
    assert capsys.readouterr().out.endswith("1 of 2 done; failed: m3\n")


def test_an_interrupted_run_goes_on_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What has numbers of this commit is not measured again."""
    run = _module("run", monkeypatch)
    started = _pretended(run, "", monkeypatch)
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    (tmp_path / "m3.json").write_text(json.dumps({"commit": run.commit()}))
    (tmp_path / "sp500.json").write_text(json.dumps({"commit": "another"}))
    monkeypatch.setattr(sys, "argv", ["run", "--missing", "m3", "sp500", "memory"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert started == ["sp500", "memory"]
    assert ended.value.code == 0

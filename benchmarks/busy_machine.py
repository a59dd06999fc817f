"""A fit beside busy processes: what it takes of a machine that others use too.

A process a core that does nothing but count, and then two, are started by the benchmark and bound to a core
each. A fair share is then two and three times the quiet time. `ours` is the package as it is; `ours, one
thread` with `torch.set_num_threads(1)`; `torch` a plain nn.LSTM of as many units, a linear layer and fused
AdamW on windows of the same series, for few steps, and not beside two busy processes a core, where it takes
minutes. Each runs in a process of its own, in turns, so that a busy moment of the machine slows all of them;
`times_quiet` is the median over the turns of the time beside the quiet time of the same turn, and `cpu_s` the
processor time of the whole process, spinning threads included.
Threads share the rows of the layer, and the units of the wide one, whose weights are larger than a cache. The
weights after `ours` must be equal to the bit, quiet and busy. Last inside a CPU quota of one core, where the
machine lets a control group be made.

    python -m benchmarks.busy_machine [--toy]
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import ROOT, Facts, main, print_now, table

TURNS, CORES = 2, 2
TORCH_STEPS = 4
TASKS = ("forecaster", "classifier", "layer", "wide layer")
SIDES = ("ours", "ours, one thread", "torch")
GROUP = Path("/sys/fs/cgroup/cpu" if Path("/sys/fs/cgroup/cpu").is_dir() else "/sys/fs/cgroup")
_COUNT = "import os\nos.sched_setaffinity(0, {%d})\nprint('runs', flush=True)\nwhile True: pass"


def run(toy: bool) -> Facts:
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    seconds: dict[tuple[str, str, int], list[Facts]] = {}
    tasks, sides = (TASKS[-1:], SIDES[::2]) if toy else (TASKS, SIDES)
    with _workers([(task, side) for task in tasks for side in sides], cores, toy=toy) as workers:
        for turn in range(1 if toy else TURNS):
            for busy in (0, 1) if toy else (0, 1, 2):
                with _busy_processes(cores, busy):
                    for (task, side), worker in workers.items():
                        if side == "torch" and busy > 1:
                            continue
                        seconds.setdefault((task, side, busy), []).append(_ask(worker))
            print_now(f"turn {turn + 1}")
        rows = [_row(seconds, *key) for key in sorted(seconds)]
        _require_equal_weights(seconds)
        print_now(table(rows))
        quota = _inside_quota({side: workers[tasks[0], side] for side in sides}, toy=toy)
    print_now(table(quota) if isinstance(quota, list) else quota)
    return {"cores_used": len(cores), "turns": TURNS, "rows": rows, "inside_a_quota_of_one_core": quota}


def _row(seconds: dict[tuple[str, str, int], list[Facts]], task: str, side: str, busy: int) -> Facts:
    answers, quiet, fair = seconds[task, side, busy], seconds[task, side, 0], seconds[task, "ours", 0]
    times = [answer["s"] / beside["s"] for answer, beside in zip(answers, quiet, strict=True)]
    beside_ours = [answer["s"] / beside["s"] for answer, beside in zip(answers, fair, strict=True)]
    low, high = np.quantile(times, (0.25, 0.75))
    return {
        "task": task,
        "side": side,
        "busy_processes_a_core": busy,
        "s": round(float(np.median([answer["s"] for answer in answers])), 3),
        "times_quiet": round(float(np.median(times)), 2),
        "quartiles": [round(float(low), 2), round(float(high), 2)],
        "times_ours_quiet": round(float(np.median(beside_ours)), 2),
        "cpu_s": round(float(np.median([answer["cpu_s"] for answer in answers])), 3),
    }


def _require_equal_weights(seconds: dict[tuple[str, str, int], list[Facts]]) -> None:
    """Check that who else uses the machine changes no bit of what we train."""
    for task, side in {key[:2] for key in seconds if key[1] != "torch"}:
        sums = {a["weights"] for key, answers in seconds.items() if key[:2] == (task, side) for a in answers}
        assert len(sums) == 1, f"{task}, {side}: the weights depend on who else uses the machine"


@contextmanager
def _busy_processes(cores: list[int], a_core: int) -> Iterator[None]:
    busy = [
        subprocess.Popen([sys.executable, "-c", _COUNT % core], stdout=subprocess.PIPE)
        for core in cores
        for _ in range(a_core)
    ]
    try:
        for process in busy:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in busy:
            process.kill()
            process.communicate()


@contextmanager
def _workers(
    sides: list[tuple[str, str]], cores: list[int], *, toy: bool
) -> Iterator[dict[tuple[str, str], subprocess.Popen[str]]]:
    """Start a process for each side, which sleeps until it is asked; its first fit is not counted."""
    workers = {}
    try:
        for task, side in sides:
            command = [sys.executable, "-m", "benchmarks.busy_machine", "--side"]
            workers[task, side] = subprocess.Popen(
                [*command, json.dumps([task, side, cores, toy])],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            _ask(workers[task, side])
        yield workers
    finally:
        for worker in workers.values():
            worker.kill()
            worker.communicate()


def _ask(worker: subprocess.Popen[str]) -> Facts:
    assert worker.stdin is not None
    assert worker.stdout is not None
    print("go", file=worker.stdin, flush=True)
    answer: Facts = json.loads(worker.stdout.readline())
    return answer


def _inside_quota(workers: dict[str, subprocess.Popen[str]], *, toy: bool) -> list[Facts] | str:
    """Measure in a control group that may use one core's time; a sentence where none can be made."""
    group = GROUP / f"unrolled-benchmark-{os.getpid()}"
    try:
        group.mkdir()
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text("100000 100000")
        else:
            (group / "cpu.cfs_quota_us").write_text("100000")
    except OSError as fault:
        if group.is_dir():
            group.rmdir()
        return f"not measured: this machine lets no control group with a CPU quota be made ({fault})"
    rows = []
    try:
        for side, worker in workers.items():
            (group / "cgroup.procs").write_text(str(worker.pid))
            _ask(worker)  # the quota is read anew every five seconds
            time.sleep(0 if toy else 5.1)
            answer = _ask(worker)
            rows.append({"side": side, "s": round(answer["s"], 3), "cpu_s": round(answer["cpu_s"], 3)})
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
        group.rmdir()
    return rows


def _serve(task: str, side: str, cores: list[int], toy: bool) -> None:
    """Answer each line of stdin by one run."""
    os.sched_setaffinity(0, cores)
    import torch  # noqa: PLC0415 (only in the processes that are measured)

    torch.set_num_threads(1 if side == "ours, one thread" else len(cores))
    work: Callable[..., Any] = {
        "forecaster": _forecaster,
        "classifier": _classifier,
        "layer": partial(_layer, (100, 64, 8, 128)),
        "wide layer": partial(_layer, (12, 64, 64, 512)),
    }[task]
    step = work("torch" if side == "torch" else "ours", toy=toy)
    for _ in sys.stdin:
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        weights = step()
        seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
        print(json.dumps({"s": seconds, "cpu_s": cpu_s, "weights": hash_of(weights)}), flush=True)


def hash_of(weights: list[Any]) -> str:
    """Digest of tensors, to tell whether they are equal to the bit."""
    import hashlib  # noqa: PLC0415

    digest = hashlib.sha256()
    for tensor in weights:
        digest.update(tensor.detach().numpy().tobytes())
    return digest.hexdigest()[:16]


def _forecaster(who: str, *, toy: bool) -> Any:
    import torch  # noqa: PLC0415

    from unrolled import Forecaster, examples  # noqa: PLC0415

    series, steps = examples.load("sp500"), 4 if toy else None
    if who == "ours":
        return lambda: [
            p for n in Forecaster(12, max_steps=steps).fit(series).networks_ for p in n.parameters()
        ]
    changes = np.diff(np.log(series.target)).astype(np.float32)
    windows = torch.from_numpy(changes / changes.std()).unfold(0, 48 + 12, 1)
    return lambda: _train_torch(windows[:, :48, None], windows[:, 48:], 1 if toy else TORCH_STEPS)


def _classifier(who: str, *, toy: bool) -> Any:
    import torch  # noqa: PLC0415

    from unrolled import SequenceClassifier  # noqa: PLC0415

    rng = np.random.default_rng(0)
    y = np.arange(32 if toy else 256) % 4
    x = np.sin((1 + y[:, None, None]) * np.linspace(0, 9, 30)[:, None] + rng.normal(size=(len(y), 1, 6)))
    x = x.astype(np.float32)
    epochs = 1 if toy else 40
    if who == "ours":
        model = SequenceClassifier(max_epochs=epochs, n_members=1, batch_size=32)
        return lambda: [p for n in model.fit(x, y).networks_ for p in n.parameters()]
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(y)).float()
    return lambda: _train_torch(torch.from_numpy(x), one_hot, TORCH_STEPS)


def _layer(shape: tuple[int, int, int, int], who: str, *, toy: bool) -> Any:
    """Steps of an LSTM of a shape (T, B, F, H)."""
    import torch  # noqa: PLC0415

    from unrolled import nn as un  # noqa: PLC0415

    T, B, F, H = shape

    def steps() -> list[Any]:
        torch.manual_seed(0)
        layer = (torch.nn.LSTM if who == "torch" else un.LSTM)(F, 8 if toy else H)
        x = torch.randn(T, B, F)
        for _ in range(1 if toy else TORCH_STEPS if who == "torch" else 60):
            layer.zero_grad()
            layer(x)[0].square().mean().backward()
        return list(layer.parameters())

    return steps


def _train_torch(x: Any, y: Any, steps: int) -> list[Any]:
    """Train nn.LSTM and nn.Linear by squared error, in the fewest lines."""
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    core, readout = torch.nn.LSTM(x.shape[2], 64, batch_first=True), torch.nn.Linear(64, y.shape[1])
    parameters = [*core.parameters(), *readout.parameters()]
    optimizer = torch.optim.AdamW(parameters, fused=True)
    for _ in range(steps):
        rows = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        (readout(core(x[rows])[0][:, -1]) - y[rows]).square().mean().backward()
        optimizer.step()
    return parameters


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        _serve(*json.loads(sys.argv[2]))
    else:
        main(run)

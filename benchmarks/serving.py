"""Streams over the network: acknowledged messages a second, and how long one waits, on loopback.

`unrolled serve` of a GRU (64 units, 8 inputs) in a process of its own, its store on disk with
synchronous=FULL; the load generator beside it takes a core. Without a pace each stream has one message
without an answer at a time: at 1 stream the wait is the time of one message, at n streams n divided by the
messages a second. With a pace the streams send so many messages a second in all, evenly spaced whether or not
the last one is answered, and a wait begins when its message was due. First the
answers of one stream must be those of the model on the whole sequence, to the bit. The disk's fsync is in
each figure: `fsync_us` times it. `server_us` is the processor time of the server for one message, which other
load on the machine does not change; `idle` is a server that starts on a store of 100,000 streams.

    python -m benchmarks.serving [--toy]
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from websockets.asyncio.client import connect

import unrolled as ur
from benchmarks.record import Facts, main, print_now, table
from unrolled.models.streaming.snapshots import model_hash
from unrolled.stream.replies import Message
from unrolled.stream.server.wire import encode_answers

WIDTH, CONNECTIONS = 8, 8
IDLE = 100_000  # streams in a store
PACE = 8_000  # messages a second


class Case(NamedTuple):
    """How messages are sent: over what, by how many streams, of how many steps, how many a second in all."""

    over: str
    streams: int
    steps: int
    pace: int | None = None


def run(toy: bool) -> Facts:
    seconds = 0.1 if toy else 8.0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        model = _save_model(Path(folder) / "model")
        command = [sys.executable, "-m", "unrolled.cli", "serve", f"{folder}/model", "--port", "0"]
        command += ["--store", f"{folder}/streams.db"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                url = server.stdout.readline().split()[-1]
                _check(url, model)
                rows = [_row(server.pid, url, case, seconds) for case in _cases(toy=toy)]
            finally:
                server.terminate()
        print_now(table(rows))
        idle = _idle(Path(folder), model, toy=toy)
        print_now("\n" + table([idle]))
        facts = {"fsync_us": _fsync_us(Path(folder)), "rows": rows, "idle": [idle]}
    if toy:
        return facts
    goals = _goals(rows, idle)
    print_now("\n" + table(goals))
    return facts | {"goals": goals}


def _goals(rows: list[Facts], idle: Facts) -> list[Facts]:
    """Put what was measured beside what was aimed at."""
    by_case = {Case(row["over"], row["streams"], row["steps"], row["pace"]): row for row in rows}
    one, many = by_case[Case("WebSocket", 1, 1)], by_case[Case("WebSocket", 1000, 1)]
    paced = by_case[Case("WebSocket", 1000, 1, PACE)]
    long, http = by_case[Case("WebSocket", 1000, 64)], by_case[Case("HTTP", 64, 1)]
    beyond_imports = max(0.0, round(idle["start_s"] - idle["import_s"], 2))
    table_of = [
        ("1,000 streams, 1 step a message", "8,000 messages a second", many["messages_s"]),
        (f"1,000 streams at {PACE:,} messages a second, p99", "at most 40 ms", paced["p99_ms"]),
        ("one stream, p50", "at most 2 ms", one["p50_ms"]),
        ("64 steps a message", "150,000 steps a second", long["steps_s"]),
        ("HTTP, 1 step", "2,500 messages a second", http["messages_s"]),
        ("100,000 idle streams", "at most 600 MiB", idle["resident_mib"]),
        ("start on their store, beyond the imports", "at most 1 s", beyond_imports),
    ]
    return [{"what": what, "goal": goal, "measured": measured} for what, goal, measured in table_of]


def _row(server: int, url: str, case: Case, seconds: float) -> Facts:
    """Measure one case, and the processor time that it takes of the server."""
    before = _processor_s(server)
    facts = asyncio.run(_measure(url, case, seconds))
    messages = facts.pop("messages")
    return facts | {"server_us": round((_processor_s(server) - before) / messages * 1e6, 1)}


def _processor_s(process: int) -> float:
    """Seconds of the processors that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _idle(folder: Path, model: ur.SequenceClassifier, *, toy: bool) -> Facts:
    """Start a server on a store of many streams, and ask one of them for its next answer."""
    n_streams, digest, path = 200 if toy else IDLE, model_hash(model), folder / "idle.db"
    store = ur.stream.SQLiteStore(path, model=digest, durability="process")
    session = ur.stream.Session(ur.Streams(model, 1024), store, encode=encode_answers)
    x = np.random.default_rng(3).normal(size=(1, WIDTH))
    for first in range(0, n_streams, 1024):
        names = range(first, min(first + 1024, n_streams))
        session.apply_many([Message(f"idle-{k}", 1, x) for k in names])
    session.close()
    command = [sys.executable, "-m", "unrolled.cli", "serve", f"{folder}/model", "--port", "0"]
    started = time.perf_counter()
    with subprocess.Popen([*command, "--store", str(path)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            listening_s = time.perf_counter() - started
            with ur.stream.connect(url) as client:
                stream = client.stream(f"idle-{n_streams - 1}")
                asked = time.perf_counter()
                stream.step(x[0])
                first_ms = (time.perf_counter() - asked) * 1e3
            status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
            resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        finally:
            server.terminate()
    return {
        "streams": n_streams, "store_mib": round(path.stat().st_size / 2**20),
        "resident_mib": round(int(resident.split()[1]) / 1024), "start_s": round(listening_s, 2),
        "import_s": 0.0 if toy else round(_import_s(), 2), "first_answer_ms": round(first_ms, 2),
    }  # fmt: skip


def _import_s() -> float:
    """Seconds that Python takes to import what a server needs, which are part of each start."""
    modules = "torch, fastapi, uvicorn, unrolled.stream.server.run, unrolled.models.sequence.classifier"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    return time.perf_counter() - started


def _cases(*, toy: bool) -> list[Case]:
    if toy:
        return [
            Case("WebSocket", 1, 1),
            Case("WebSocket", 20, 4),
            Case("WebSocket", 20, 1, 200),
            Case("HTTP", 4, 1),
        ]
    curve = [Case("WebSocket", n, 1) for n in (1, 10, 100, 1000, 10_000)]
    paced = Case("WebSocket", 1000, 1, PACE)
    return [*curve, paced, Case("WebSocket", 1000, 64), Case("HTTP", 64, 1)]


def _save_model(path: Path) -> ur.SequenceClassifier:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(20, WIDTH)) for _ in range(16)]
    model = ur.SequenceClassifier(cell="gru", hidden_size=64, max_epochs=1, n_members=1)
    model.fit(X, ["a", "b"] * 8).save(path)
    return model


def _check(url: str, model: ur.SequenceClassifier) -> None:
    x = np.random.default_rng(1).normal(size=(12, WIDTH))
    with ur.stream.connect(url) as client:
        answers = client.stream("check").steps(x)
    whole = [model.predict_proba([x[: n + 1]])[0].tolist() for n in range(len(x))]
    if answers != whole:
        raise AssertionError("the served answers are not those of the model")


async def _measure(url: str, case: Case, seconds: float) -> Facts:
    x = json.dumps(np.random.default_rng(2).normal(size=(case.steps, WIDTH)).tolist())
    waits: list[float] = []
    names = [f"{'-'.join(map(str, case))}-{k}" for k in range(case.streams)]
    shares = [names[k::CONNECTIONS] for k in range(min(CONNECTIONS, case.streams))]
    started = time.perf_counter()
    end = started + seconds
    if case.over == "HTTP":  # a connection has one request at a time
        await asyncio.gather(*(_over_http(url, name, case.steps, x, end, waits) for name in names))
    elif case.pace is not None:
        pause = len(shares) / case.pace
        await asyncio.gather(*(_at_a_pace(url, share, x, end, pause, waits) for share in shares))
    else:
        await asyncio.gather(*(_over_websocket(url, share, x, end, waits) for share in shares))
    took = time.perf_counter() - started
    p50, p99 = np.percentile(waits, [50, 99]) * 1e3
    return {
        **case._asdict(), "messages": len(waits), "messages_s": round(len(waits) / took),
        "steps_s": round(len(waits) * case.steps / took), "p50_ms": round(p50, 2), "p99_ms": round(p99, 2),
    }  # fmt: skip


def _connect(url: str) -> connect:
    """Open the WebSocket of a server."""
    return connect(url.replace("http", "ws", 1) + "/streams", compression=None, max_size=None, proxy=None)


async def _over_websocket(url: str, names: list[str], x: str, end: float, waits: list[float]) -> None:
    """Keep one message of each stream under way on one connection."""
    async with _connect(url) as socket:
        sent: dict[str, float] = {}

        async def send(name: str, n: int) -> None:
            sent[name] = time.perf_counter()
            await socket.send(f'{{"stream":"{name}","n":{n},"x":{x}}}')

        writer = asyncio.gather(*(send(name, 1) for name in names))
        waiting = len(names)
        while waiting:
            reply = json.loads(await socket.recv())
            now = time.perf_counter()
            waits.append(now - sent[reply["stream"]])
            if now < end:
                await send(reply["stream"], reply["last"] + 1)
            else:
                waiting -= 1
        await writer


async def _at_a_pace(
    url: str, names: list[str], x: str, end: float, pause: float, waits: list[float]
) -> None:
    """Send a message of one step every `pause` seconds on one connection, of one stream after the other."""
    async with _connect(url) as socket:
        started = time.perf_counter()
        n_messages = int((end - started) / pause)

        async def send_all() -> None:
            for k in range(n_messages):
                ahead = started + k * pause - time.perf_counter()
                await asyncio.sleep(max(ahead, 0.0))
                n, stream = divmod(k, len(names))
                await socket.send(f'{{"stream":"{names[stream]}","n":{n + 1},"x":{x}}}')

        writer = asyncio.create_task(send_all())
        streams = {name: k for k, name in enumerate(names)}
        for _ in range(n_messages):
            reply = json.loads(await socket.recv())
            due = (reply["last"] - 1) * len(names) + streams[reply["stream"]]
            waits.append(time.perf_counter() - started - due * pause)
        await writer


async def _over_http(url: str, name: str, steps: int, x: str, end: float, waits: list[float]) -> None:
    """Send one message after another over one kept connection."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    n = 1
    while (start := time.perf_counter()) < end:
        body = f'{{"n":{n},"x":{x}}}'
        head = f"POST /streams/{name}/steps HTTP/1.1\r\nHost: {host}:{port}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        if b" 200 " not in answer[:16]:
            raise AssertionError(answer.decode())
        waits.append(time.perf_counter() - start)
        n += steps
    writer.close()


def _fsync_us(folder: Path) -> float:
    """Median time to append 4 KiB to a file and wait for the disk."""
    times = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e6, 1)


if __name__ == "__main__":
    main(run)

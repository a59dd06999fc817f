"""Live streams: a step of a layer beside torch's cells and ONNX Runtime, memory, and models.

Outputs are compared first. `times` is the median of the paired ratios, how many times as long the rival
takes, one thread each. ONNX Runtime is timed where it is installed, with inputs and outputs bound. With many
rows a step is mostly two matrix products: "torch.mm alone" times nothing but these, so that a step which did
nothing else would be that many times as fast as it. Memory is that of the process before and after millions
of steps.

    python -m benchmarks.streams [--toy]
"""

import importlib.util
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import unrolled as ur
import unrolled.nn as un
from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import limit_threads
from benchmarks.timing import interleaved

F, H = 8, 64
ROWS = (1, 32, 1024)
STEPS, CHECKED = 10_000_000, 200  # steps that memory is watched over; steps whose outputs are compared
TOLERANCE = 1e-5  # of outputs after CHECKED steps: other libraries add in another order
CELLS: dict[str, tuple[Any, Any]] = {"GRU": (un.GRU, nn.GRUCell), "LSTM": (un.LSTM, nn.LSTMCell)}


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    steps = [
        row for cell in CELLS for rows in ROWS[: 2 if toy else None] for row in _steps(cell, rows, toy=toy)
    ]
    print_now(table(steps))
    memory = [_memory(cell, 2_000 if toy else STEPS) for cell in CELLS]
    print_now("\n" + table(memory))
    models = _models(toy=toy)
    print_now("\n" + table(models))
    facts = {"F": F, "H": H, "steps": steps, "memory": memory, "models": models}
    return facts if toy else facts | {"goals": _goals(steps, memory)}


def _goals(steps: list[Facts], memory: list[Facts]) -> list[Facts]:
    """Put what was measured beside what was aimed at."""
    aims = ((1, "torch", 5), (1, "ONNX Runtime", 2), (1024, "torch", 2.5))
    goals = [
        {
            "what": f"a step of {row['layer']}, B = {rows}",
            "goal": f"{times} × {name}",
            "measured": row["times"],
        }
        for rows, name, times in aims
        for row in steps
        if row["B"] == rows and row["rival"].startswith(name) and not row["rival"].endswith("alone")
    ]
    grown = max(row["grown_mib"] for row in memory)
    return [*goals, {"what": "10 million steps", "goal": "memory flat to 1 MiB", "measured": grown}]


def _steps(cell: str, rows: int, *, toy: bool) -> list[Facts]:
    """Time a step of our layer beside every rival that is here."""
    ours, rivals = _sides(cell, rows)
    x = torch.randn(CHECKED, rows, F)
    expected = torch.stack([ours(x_t) for x_t in x])
    facts = []
    for name, rival in rivals.items():
        outputs = torch.stack([rival(x_t).clone() for x_t in x])
        difference = float((outputs - expected).abs().max())
        assert difference < TOLERANCE, (cell, name, difference)
        row = _row(cell, rows, name, rival, ours, toy=toy)
        facts.append(row | {"largest_difference": f"{difference:.0e}"})
    products = _row(cell, rows, "torch.mm alone", _products(cell, rows), ours, toy=toy)
    return [*facts, products | {"largest_difference": ""}]


def _row(
    cell: str,
    rows: int,
    name: str,
    rival: Callable[[Tensor], Any],
    ours: Callable[[Tensor], Any],
    *,
    toy: bool,
) -> Facts:
    """Time one rival and ours in turns."""
    x = torch.randn(rows, F)
    repeats = 3 if toy else max(400, 20_000 // rows)
    timings = interleaved(lambda: rival(x), lambda: ours(x), repeats=repeats)
    return {
        "layer": cell, "B": rows, "rival": name, "ours_us": timings["rival_us"],
        "rival_us": timings["ours_us"], "times": timings["ratio"], "quartiles": timings["ratio_quartiles"],
    }  # fmt: skip


def _products(cell: str, rows: int) -> Callable[[Tensor], Any]:
    """Multiply inputs and states by weights of the gates' size, and do nothing else."""
    width = H * {"GRU": 3, "LSTM": 4}[cell]
    state, state_weights, input_weights = (
        torch.randn(*shape) for shape in ((rows, H), (H, width), (F, width))
    )
    of_states, of_inputs = torch.empty(rows, width), torch.empty(rows, width)

    def multiply(x: Tensor) -> None:
        torch.mm(state, state_weights, out=of_states)
        torch.mm(x, input_weights, out=of_inputs)

    return multiply


def _sides(cell: str, rows: int) -> tuple[Callable[[Tensor], Tensor], dict[str, Callable[[Tensor], Tensor]]]:
    """Return our step and those of the rivals, with equal weights; each keeps its own state."""
    kind, rival = CELLS[cell]
    layer, theirs = kind(F, H), rival(F, H)
    theirs.load_state_dict({name.removesuffix("_l0"): w for name, w in layer.state_dict().items()})
    rivals = {f"torch.nn.{rival.__name__}": _torch_step(theirs, rows)}
    if importlib.util.find_spec("onnxruntime") is not None and importlib.util.find_spec("onnx") is not None:
        rivals["ONNX Runtime"] = _onnx_step(layer, rows)
    return layer.stream(rows).step, rivals


def _torch_step(cell: nn.Module, rows: int) -> Callable[[Tensor], Tensor]:
    zeros = torch.zeros(rows, H)
    state: Any = (zeros, zeros) if isinstance(cell, nn.LSTMCell) else zeros

    def step(x: Tensor) -> Tensor:
        nonlocal state
        with torch.inference_mode():
            state = cell(x, state)
        return state[0] if isinstance(state, tuple) else state  # type: ignore[no-any-return]

    return step


def _onnx_step(layer: Any, rows: int) -> Callable[[Tensor], Tensor]:
    """Step a graph of one step with the state as input and output, all of them bound."""
    import onnxruntime  # noqa: PLC0415 (not everywhere)

    kind = type(layer).__name__
    parts = ("h", "c") if kind == "LSTM" else ("h",)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(_onnx_model(layer, rows, parts), options, ["CPUExecutionProvider"])
    x = np.zeros((1, rows, F), np.float32)
    states = [{part: np.zeros((1, rows, H), np.float32) for part in parts} for _ in range(2)]
    bindings = []
    for before, after in (states, states[::-1]):
        binding = session.io_binding()
        for name, array in {"x": x, **before}.items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in after.items():
            binding.bind_output(f"{name}_n", "cpu", 0, np.float32, array.shape, array.ctypes.data)
        bindings.append((binding, torch.from_numpy(after["h"][0]), before))  # which it only points to
    turn = 0

    def step(x_t: Tensor) -> Tensor:
        nonlocal turn
        x[0] = x_t.numpy()
        binding, output, _ = bindings[turn]
        session.run_with_iobinding(binding)
        turn = 1 - turn
        return output

    return step


def _onnx_model(layer: Any, rows: int, parts: tuple[str, ...]) -> bytes:
    """Make the graph of one step; ONNX orders the gates of a GRU z, r, n and those of an LSTM i, o, f, g."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 (not everywhere)

    kind = type(layer).__name__
    order = (1, 0, 2) if kind == "GRU" else (0, 3, 1, 2)

    def gates(*names: str) -> np.ndarray:
        weights = [layer.state_dict()[f"{name}_l0"] for name in names]
        return torch.cat([weight.chunk(len(order))[gate] for weight in weights for gate in order])[
            None
        ].numpy()

    weights = {"W": gates("weight_ih"), "R": gates("weight_hh"), "bias": gates("bias_ih", "bias_hh")}
    settings = {"hidden_size": H} | ({"linear_before_reset": 1} if kind == "GRU" else {})
    inputs, outputs = ["x", *weights, "", *parts], ["", *(f"{part}_n" for part in parts)]
    node = helper.make_node(kind, inputs, outputs, **settings)

    def value(name: str, width: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, rows, width])

    graph = helper.make_graph(
        [node], "step", [value("x", F), *(value(part, H) for part in parts)],
        [value(f"{part}_n", H) for part in parts],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return model.SerializeToString()  # type: ignore[no-any-return]


def _memory(cell: str, steps: int) -> Facts:
    """Watch the most memory that the process ever had, over many steps of one row."""
    stream, x = CELLS[cell][0](F, H).stream(), torch.randn(F)
    for _ in range(1000):
        stream.step(x)
    before, start_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    for _ in range(steps):
        stream.step(x)
    seconds = time.perf_counter() - start_s
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "layer": cell, "steps": steps, "us_a_step": round(seconds / steps * 1e6, 2),
        "grown_mib": round(grown / 1024, 3),
    }  # fmt: skip


def _models(*, toy: bool) -> list[Facts]:
    """Time steps of a fitted classifier with its defaults: one stream, and many together."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(60, F)).cumsum(0) for _ in range(20)]
    model = ur.SequenceClassifier(max_epochs=1, n_members=1).fit(X, ["a", "b"] * 10)
    stream, values = model.stream(), X[0]
    answers = [stream.step(x) for x in values]
    assert np.array_equal(answers[-1], model.predict_proba([values])[0])
    assert np.array_equal(answers[19], model.predict_proba([values[:20]])[0])
    facts = [_time_of("one stream", 1, lambda: stream.step(values[0]), 3 if toy else 20_000)]
    for n in (64,) if toy else (64, 1024):
        step_all = partial(ur.Streams(model, n).steps, dict.fromkeys(range(n), values[:1]))
        facts.append(_time_of(f"{n:,} streams", n, step_all, 3 if toy else 2_000))
    return facts


def _time_of(what: str, steps: int, call: Callable[[], Any], repeats: int) -> Facts:
    seconds = np.empty(repeats)
    for k in range(repeats):
        start_s = time.perf_counter()
        call()
        seconds[k] = time.perf_counter() - start_s
    p50, p99 = np.quantile(seconds, (0.5, 0.99)) * 1e6
    return {
        "classifier": what, "p50_us": round(float(p50), 2), "p99_us": round(float(p99), 2),
        "steps_a_second": round(steps / float(p50) * 1e6),
    }  # fmt: skip


if __name__ == "__main__":
    main(run)

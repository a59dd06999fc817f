"""ONNX Runtime: one node, RNN, GRU (linear_before_reset = 1) or LSTM; inference, bound to buffers at hand.

Order of gates there: GRU z, r, h; LSTM i, o, f, c.
"""

import os

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.rivals.job import Arrays, Job, reordered

VERSIONS = ("onnxruntime", "onnx")

ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
OPSET = 14


def inference(arrays: Arrays, cell: str) -> Job:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = int(os.environ["UNROLLED_BENCH_THREADS"])
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(_model(arrays, cell), settings, providers=["CPUExecutionProvider"])
    x = onnxruntime.OrtValue.ortvalue_from_numpy(arrays["x"])
    output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
        [len(arrays["x"]), 1, *arrays["cotangent"].shape[1:]], np.float32
    )
    bound = session.io_binding()
    bound.bind_ortvalue_input("x", x)
    bound.bind_ortvalue_output("output", output)

    def answers() -> Arrays:
        session.run_with_iobinding(bound)
        return {"output": output.numpy()[:, 0]}  # (T, 1, B, H), the second axis being directions

    def run(times: int) -> None:
        for _ in range(times):
            session.run_with_iobinding(bound)

    return Job(run, answers)


def _model(arrays: Arrays, cell: str) -> bytes:
    """A graph of one node, time-major."""
    taken = {name: reordered(arrays[name], ORDER[cell]) for name in arrays if name not in {"x", "cotangent"}}
    bias = np.concatenate([taken["bias_ih"], taken["bias_hh"]])
    H = arrays["weight_hh"].shape[1]
    weights = {"W": taken["weight_ih"], "R": taken["weight_hh"], "B": bias}  # each with an axis of directions
    options = {"linear_before_reset": 1} if cell == "GRU" else {}
    node = helper.make_node(cell, ["x", *weights], ["output"], hidden_size=H, **options)
    T, B, F = arrays["x"].shape
    graph = helper.make_graph(
        [node],
        cell,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (T, B, F))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, (T, 1, B, H))],
        [numpy_helper.from_array(weight[None], name) for name, weight in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    return bytes(model.SerializeToString())

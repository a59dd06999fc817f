"""Record the hidden state step by step, and how much of each step is input and how much memory.

Both parts as norms over the units, with the letters of `unrolled.nn.cells.core`:

    cell    input                 memory                       both are parts of
    RNN     ‖W_ih x_t‖            ‖W_hh h_{t-1}‖               the activation's argument, with the biases
    GRU     ‖(1 - z_t) n_t‖       ‖z_t h_{t-1}‖                h_t
    LSTM    ‖i_t g_t‖             ‖f_t c_{t-1}‖                c_t

The memory share is memory / (input + memory). In a GRU and an LSTM the input part is what is newly written,
which also depends on the state through the gates and through n_t or g_t; the memory part is the state that is
retained as it was. Zoneout's mean, at rate ρ, makes of the GRU's parts (1 - ρ)(1 - z_t) n_t and
(ρ + (1 - ρ) z_t) h_{t-1}, and of the LSTM's alike.

Shapes: R steps of all sequences together, H units, P principal components.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError
from unrolled.formatting import percent, quantity
from unrolled.nn.cells.core import GRUCell, LSTMCell, RNNCell
from unrolled.probe.measure.half_life import Floats
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.layer_hook import LayerCall, State
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.stepwise import DirectionRun, run_stepwise
from unrolled.probe.wording.claims import checked
from unrolled.record import Record
from unrolled.train.progress import ProgressLine
from unrolled.train.threads import shared_processors
from unrolled.validation import check_choice, check_int

Direction = Literal["forward", "reverse"]

_COMPONENTS = 3


@dataclass(frozen=True, eq=False)
class StatesResult(Record):
    """States of one layer in one direction, a row for each step of each sequence, in order.

    Args:
        sentence: the result for a person.
        name: the model's name in the sentence.
        cell: "RNN", "GRU", "LSTM", or another cell's name.
        layer: position in the stack, from 1 at the input.
        layers: number of layers in the stack.
        direction: "forward", or "reverse" from the end.
        sequence: (R,) position of the sequence in X.
        step: (R,) position in the sequence, from 0, of the last step of X that the state has read.
        state: (R, H) h_t, after the step.
        gates: (R, H) each, by name in torch's order: reset, update, new; or input, forget, cell, output.
            Those of an LSTM are joined by "cell_state", c_t. An RNN has none.
        input: (R,) norm of the input part; see `unrolled.probe.states_probe`. NaN for other cells.
        memory: (R,) norm of the memory part.
        path: (R, P) the state along its principal components, at most three.
        explained: (P,) share of the states' variance along each.
        stride: steps of X from one state to the next, behind a stem with strides.
    """

    kind: ClassVar[str] = "states"

    sentence: str
    name: str
    cell: str
    layer: int
    layers: int
    direction: Direction
    sequence: NDArray[np.int64]
    step: NDArray[np.int64]
    state: Floats
    gates: dict[str, Floats]
    input: Floats
    memory: Floats
    path: Floats
    explained: Floats
    stride: int = 1

    @property
    def memory_share(self) -> Floats:
        """Share of memory (R,): memory / (input + memory); NaN where both are 0."""
        total = self.input + self.memory
        share: Floats = np.divide(self.memory, total, out=np.full(len(total), np.nan), where=total > 0)
        return share

    def of(self, sequence: int) -> Floats:
        """Return the states (T, H) of one sequence.

        Raises:
            ArgumentError: there is no such sequence.
        """
        rows = self.sequence == sequence
        if not rows.any():
            last = int(self.sequence.max())
            raise ArgumentError(f"states of: expected a sequence from 0 to {last}, got {sequence!r}.")
        states: Floats = self.state[rows]
        return states

    def __str__(self) -> str:
        return self.sentence

    def to_frame(self, *, wide: bool = True) -> Any:
        """Return the states as a pandas frame.

        Args:
            wide: one row a step, one column a unit, `state_0`, `update_0` and so on, with input, memory,
                memory_share and the path; else one row a step and unit: state and gates.
        """
        R, H = self.state.shape
        values = {"state": self.state, **self.gates}
        if not wide:
            rows = {"sequence": np.repeat(self.sequence, H), "step": np.repeat(self.step, H)}
            flat = {name: each.ravel() for name, each in values.items()}
            return to_frame({**rows, "unit": np.tile(np.arange(H), R), **flat}, "pandas")
        columns: dict[str, NDArray[Any]] = {"sequence": self.sequence, "step": self.step}
        columns |= {f"{name}_{u}": each[:, u] for name, each in values.items() for u in range(H)}
        columns |= {"input": self.input, "memory": self.memory, "memory_share": self.memory_share}
        return to_frame(columns | {f"pc{k + 1}": part for k, part in enumerate(self.path.T)}, "pandas")


@shared_processors()
def states(model: Any, X: Any, *, layer: int | None = None, direction: Direction = "forward") -> StatesResult:
    """Record what a recurrent layer holds after each step, and where it comes from.

    Args:
        model: fitted estimator or torch module with a recurrent layer: see `as_probed_model`. Of an ensemble
            the first network is used.
        X: sequences of any lengths; all of them are run and recorded.
        layer: position in the stack, from 1 at the input; None for the last.
        direction: "forward", or "reverse" of a bidirectional layer.

    Returns:
        A record that prints as one sentence.

    Raises:
        ArgumentError: the model has no recurrent layer or outputs that are not finite, or there is no such
            layer or direction.
        DataError: X cannot be used.

    Components point so that their largest weight is positive. With a single step in all nothing varies: the
    path is 0, and so is the variance it explains.

    >>> from torch import nn
    >>> class Last(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn, self.head = nn.GRU(1, 4, batch_first=True), nn.Linear(4, 1)
    ...     def forward(self, x):
    ...         return self.head(self.rnn(x)[0][:, -1])
    >>> result = states(Last(), [[1.0, 2.0, 3.0], [4.0, 5.0]])
    >>> result.state.shape, list(result.gates), result.to_frame(wide=False).shape
    ((5, 4), ['reset', 'update', 'new'], (20, 7))
    """
    check_choice("states direction", direction, ("forward", "reverse"))
    probed = as_probed_model(model, X, caller="states")
    probed.require_finite()
    rows, runs = [], []
    batches = probed.batches(torch.arange(len(probed)))
    with ProgressLine("states", len(batches), shown=None, unit="batches") as line:
        for i, batch in enumerate(batches):

            def step_through(call: LayerCall, batch: Tensor = batch, i: int = i) -> tuple[Tensor, State]:
                output, final, ran = run_stepwise(
                    call, probed.lengths[batch], lambda share: line.advance(i + share)
                )
                runs.append(_select_direction(ran, layer, direction))
                return output, final

            with torch.no_grad():
                probed.outputs(rows=batch, replacement=step_through)
            rows.append(batch)
    return _record(probed, runs, rows, direction)


def _select_direction(runs: list[DirectionRun], layer: int | None, direction: Direction) -> DirectionRun:
    layers = runs[0].layers
    number = layers if layer is None else check_int("states layer", layer, least=1, most=layers)
    for run in runs:
        if run.layer + 1 == number and run.is_reverse == (direction == "reverse"):
            return run
    raise ArgumentError(f"states direction: this layer runs forward only, got {direction!r}. Leave it out.")


def _record(
    probed: ProbedModel, runs: list[DirectionRun], rows: list[Tensor], direction: Direction
) -> StatesResult:
    stride = probed.stride()
    parts: dict[str, list[Tensor]] = {}
    sequence, step = [], []
    for run, batch in zip(runs, rows, strict=True):
        inputs, before, after, row_in_batch, steps = run.valid_steps()
        sequence.append(batch[row_in_batch.cpu()])
        newest = steps.cpu() * stride if run.is_reverse else (steps.cpu() + 1) * stride - 1
        step.append(torch.minimum(newest, probed.lengths.cpu()[sequence[-1]] - 1))
        kind = type(run.states[0])
        with torch.no_grad():
            batch_parts = _state_parts(run, inputs, kind(*before), kind(*after))
        for key, value in batch_parts.items():
            parts.setdefault(key, []).append(value)
    sequences, times = torch.cat(sequence).numpy(), torch.cat(step).numpy()
    order = np.lexsort((times, sequences))
    columns = {key: torch.cat(each).double().cpu().numpy()[order] for key, each in parts.items()}
    first, state = runs[0], columns.pop("state")
    path, explained = _principal_components(state)
    nothing = np.full(len(state), np.nan)
    record = StatesResult(
        sentence="",
        name=probed.name,
        cell=type(first.cell).__name__.removesuffix("Cell"),
        layer=first.layer + 1,
        layers=first.layers,
        direction=direction,
        sequence=sequences[order],
        step=times[order],
        state=state,
        input=columns.pop("from input", nothing),
        memory=columns.pop("from memory", nothing),
        gates=columns,
        path=path,
        explained=explained,
        stride=stride,
    )
    return checked(replace(record, sentence=_sentence(record)))


def _state_parts(run: DirectionRun, x: Tensor, before: Any, after: Any) -> dict[str, Tensor]:
    """Compute the state and the gates (R, H), and the norms (R,) of the input and memory parts."""
    cell, weights = run.cell, run.weights
    rho = (*run.rates, 0.0, 0.0)
    parts: dict[str, Tensor] = {"state": cell.output(after)}
    if isinstance(cell, RNNCell):
        return parts | _norms(x @ weights.weight_ih.T, before.h @ weights.weight_hh.T)
    if not isinstance(cell, GRUCell | LSTMCell):
        return parts
    parts |= dict(zip(cell.gates, cell.gate_values(x, before, weights), strict=True))
    if isinstance(cell, GRUCell):
        z, n = parts["update"], parts["new"]
        return parts | _norms((1 - rho[0]) * (1 - z) * n, (rho[0] + (1 - rho[0]) * z) * before.h)
    i, f, g = parts["input"], parts["forget"], parts["cell"]
    parts["cell_state"] = after.c
    return parts | _norms((1 - rho[1]) * i * g, (rho[1] + (1 - rho[1]) * f) * before.c)


def _norms(written: Tensor, retained: Tensor) -> dict[str, Tensor]:
    return {"from input": written.norm(dim=-1), "from memory": retained.norm(dim=-1)}


def _principal_components(state: Floats) -> tuple[Floats, Floats]:
    """Scores (R, P) and shares of variance (P,) of the first principal components."""
    centred = state - state.mean(axis=0)
    _, sizes, components = np.linalg.svd(centred, full_matrices=False)
    components = components[:_COMPONENTS]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    total = float((sizes**2).sum())
    explained = sizes[:_COMPONENTS] ** 2 / total if total > 0 else np.zeros(len(components))
    return centred @ (components * np.where(largest < 0, -1.0, 1.0)).T, explained


def _sentence(result: StatesResult) -> str:
    parts = [f"layer {result.layer} of {result.layers}"] if result.layers > 1 else []
    parts += ["in reverse"] if result.direction == "reverse" else []
    place = f" ({', '.join(parts)})" if parts else ""
    H = quantity(result.state.shape[1], "unit")
    steps = quantity(len(result.state), "step" if result.stride == 1 else "state")
    sequences = quantity(len(np.unique(result.sequence)), "sequence")
    P = min(2, len(result.explained))
    explained = float(result.explained[:P].sum())
    directions = "one direction explains" if P == 1 else "two directions explain"
    variance = "it does not vary"
    if explained > 0:
        variance = f"{directions} {percent(explained, 0)} of its variance"
    every = "" if result.stride == 1 else f", one every {result.stride} steps,"
    finding = f"The state of {result.name}{place} has {H}: over {steps} of {sequences}{every} {variance}"
    share = result.memory_share
    if np.isfinite(share).any():
        wholes = {"RNN": "what drives a step", "GRU": "the new state", "LSTM": "the new cell state"}
        memory = percent(float(np.nanmedian(share)), 0)
        step = "step" if result.stride == 1 else "state"
        finding += f", and of {wholes[result.cell]} {memory} is memory, the rest input (median {step})"
    return f"{finding}."

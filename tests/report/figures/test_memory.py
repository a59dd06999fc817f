"""Figures of what a network remembers, drawn from the numbers in the records."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unrolled.report.figures.memory import gradients_figure, half_life_words, memory_figure, states_figure
from unrolled.report.figures.theme import NETWORK


def _trace(plot: Any, name: str) -> Any:
    return next(trace for trace in plot.data if (trace.name or "").endswith(name))


def test_influence_is_a_share_of_the_largest(probed: Any) -> None:
    """Both measures and the state, each to its own largest; the window is tinted and told."""
    memory = replace(probed.probes["memory"], pooled=False)
    plot = memory_figure(memory)
    for name, values in (("by gradients", memory.gradient), ("still holds", memory.state)):
        assert list(_trace(plot, name).y) == pytest.approx(list(100 * values / values.max()))
    assert plot.layout.shapes[0].x1 == memory.window + 0.5
    assert f"within {memory.window} step" in plot.layout.annotations[-1].text


def test_of_a_readout_that_reads_every_state_the_states_own_span_is_reported(probed: Any) -> None:
    """Its answer reaches as far as the sequence, whatever it remembers."""
    memory = replace(probed.probes["memory"], pooled=True)
    plot = memory_figure(memory)
    assert plot.layout.shapes[0].x1 == memory.state_span.window + 0.5
    assert "what its state holds" in plot.layout.annotations[-1].text


def test_steps_that_were_not_exchanged_are_left_out(probed: Any) -> None:
    """The line joins those that were."""
    memory = probed.probes["memory"]
    some = memory.occlusion.copy()
    some[1::2] = np.nan
    drawn = _trace(memory_figure(replace(memory, occlusion=some)), "exchanging the step")
    assert list(drawn.x) == list(memory.steps_back[::2])


def test_the_half_life_is_marked_where_there_is_one(probed: Any) -> None:
    """A dot on the line of one half, and words that fit a peak at the newest step and one further back."""
    memory = probed.probes["memory"]
    never = replace(memory, gradient_span=memory.gradient_span._replace(half_life=None))
    newest, further = (
        replace(memory, gradient_span=memory.gradient_span._replace(half_life=2.54, peak=k)) for k in (0, 2)
    )
    assert half_life_words(never) == ""
    assert half_life_words(newest) == "half is gone after 2.5 steps"
    assert half_life_words(further) == "below half beyond 2.5 steps"
    dots = [trace for trace in memory_figure(newest).data if trace.mode == "markers"]
    assert [(dot.x[0], dot.y[0]) for dot in dots] == [(2.54, 50)]
    assert [trace for trace in memory_figure(never).data if trace.mode == "markers"] == []


def test_gradients_are_drawn_on_a_log_axis_with_both_zones(probed: Any) -> None:
    """The layer that the sentence is about in the network's colour, its growth beside its end."""
    gradients = probed.probes["gradients"]
    plot = gradients_figure(gradients)
    record = gradients.layers[gradients.worst_layer]
    assert plot.layout.yaxis.type == "log"
    assert list(plot.data[gradients.worst_layer].y) == pytest.approx(list(record.share))
    assert plot.data[gradients.worst_layer].line.color == NETWORK
    words = [annotation.text for annotation in plot.layout.annotations]
    assert words[:2] == ["vanished", "exploded"]
    assert words[2].endswith("a step")
    edges = {shape.y0 for shape in plot.layout.shapes}
    assert edges == {1e-3, 10.0}


def test_a_gradient_of_nothing_or_of_infinity_can_be_drawn(probed: Any) -> None:
    """A log axis has neither; they lie at its ends."""
    gradients = probed.probes["gradients"]
    layer = gradients.layers[0]
    share = layer.share.copy()
    share[-1], share[1] = 0.0, np.inf
    plot = gradients_figure(replace(gradients, layers=(replace(layer, share=share),), worst_layer=0))
    assert np.isfinite(plot.layout.yaxis.range).all()
    assert 0 < min(plot.data[0].y) < max(plot.data[0].y) < np.inf


def test_states_are_those_of_the_first_sequence(probed: Any) -> None:
    """A row a unit in the order of its peak, the share of memory below on the same axis, and the path."""
    states = probed.probes["states"]
    plot = states_figure(states)
    mine = states.of(int(states.sequence[0]))
    order = np.argsort(np.abs(mine).argmax(axis=0), kind="stable")
    assert np.array_equal(plot.data[0].z, mine[:, order].T)
    share = _trace(plot, "memory")
    assert list(share.y) == pytest.approx(list(100 * states.memory_share[: len(mine)]))
    assert (plot.layout.xaxis2.matches, len(share.x)) == ("x", len(mine))
    ends = plot.data[-1]
    words = {note.text: (note.x, note.y, note.yshift) for note in plot.layout.annotations}
    assert [words[name][:2] for name in ("first step", "last step")] == list(zip(ends.x, ends.y, strict=True))
    assert words["first step"][2] == -words["last step"][2]  # on either side, so that they do not meet
    assert ends.x[1] == states.path[len(mine) - 1, 0]


def test_a_cell_without_parts_has_no_panel_for_them(probed: Any) -> None:
    """Where nothing is known of memory and input, and where one unit has no second direction."""
    states = probed.probes["states"]
    nothing = np.full(len(states.step), np.nan)
    alone = replace(states, input=nothing, memory=nothing)
    assert len([axis for axis in alone.plot().to_dict()["layout"] if axis.startswith("yaxis")]) == 2
    one_unit = replace(alone, state=states.state[:, :1], path=states.path[:, :1], explained=np.ones(1))
    assert len(states_figure(one_unit).data) == 1

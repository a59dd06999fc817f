"""Probes: what does a network remember? One call each; README.md lists them.

>>> from unrolled import probe
>>> probe.order.__name__
'order'
"""

from unrolled.probe.activations_probe import activations
from unrolled.probe.activations_result import ActivationsResult
from unrolled.probe.feedforward_probe import FeedforwardResult, feedforward
from unrolled.probe.gradients_probe import GradientsResult, gradients
from unrolled.probe.influence_probe import InfluenceResult, influence
from unrolled.probe.length_probe import LengthResult, length
from unrolled.probe.memory_probe import MemoryResult, memory
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.order_probe import order
from unrolled.probe.order_result import OrderResult
from unrolled.probe.states_probe import StatesResult, states

__all__ = [
    "ActivationsResult",
    "FeedforwardResult",
    "GradientsResult",
    "InfluenceResult",
    "LengthResult",
    "MemoryResult",
    "OrderResult",
    "ProbedModel",
    "StatesResult",
    "activations",
    "as_probed_model",
    "feedforward",
    "gradients",
    "influence",
    "length",
    "memory",
    "order",
    "states",
]

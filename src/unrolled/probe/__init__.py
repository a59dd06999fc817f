"""What does the network remember? Each probe is one call that returns a record with a sentence and a figure.

>>> from unrolled import probe
>>> probe.order.__name__
'order'
"""

from unrolled.probe.activations import Activations, activations
from unrolled.probe.feedforward import Feedforward, feedforward
from unrolled.probe.gradients import Gradients, gradients
from unrolled.probe.length import Length, length
from unrolled.probe.memory import Memory, memory
from unrolled.probe.model.adapter import Subject, subject_of
from unrolled.probe.order import Order, order
from unrolled.probe.states import States, states

# Loaded here and not when used: each probe has the name of its file, and a file that is imported later
# would take the place of the function.
__all__ = [
    "Activations",
    "Feedforward",
    "Gradients",
    "Length",
    "Memory",
    "Order",
    "States",
    "Subject",
    "activations",
    "feedforward",
    "gradients",
    "length",
    "memory",
    "order",
    "states",
    "subject_of",
]

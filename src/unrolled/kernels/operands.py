"""Operands of a recurrence, read from the list that the C++ kernels are compiled from.

`rnn/operands.def` states the name, the shape and the element type of each operand once. From it C++ makes
its structs and checks, and Python its checks and the schemas of the custom operators.

>>> OPERANDS[0]
Operand(name='x', axes=('T', 'B', 'F'), element='Real', is_required=True, is_differentiable=True)
>>> INDEX["mask"], N_DIFFERENTIABLE
(14, 12)
"""

import re
from pathlib import Path
from typing import NamedTuple


class Operand(NamedTuple):
    """One operand: its shape in T steps, B rows, F inputs, H hidden units and R = gates * H."""

    name: str
    axes: tuple[str, ...]
    element: str  # "Real", the type of x; "int64" or "bool"
    is_required: bool
    is_differentiable: bool


_ELEMENTS = {"StepView": "Real", "Array": "Real", "Real": "Real", "std::int64_t": "int64", "bool": "bool"}
_LINE = re.compile(
    r"^UNROLLED_(DIFFERENTIABLE|CONSTANT)\((\w+), ([\w:]+), (required|optional), (.+)\)$", re.MULTILINE
)


def _read(definition: str) -> tuple[Operand, ...]:
    return tuple(
        Operand(name, tuple(axes.split(", ")), _ELEMENTS[kind], need == "required", macro == "DIFFERENTIABLE")
        for macro, name, kind, need, axes in _LINE.findall(definition)
    )


OPERANDS = _read((Path(__file__).parent / "rnn" / "operands.def").read_text(encoding="utf-8"))
INDEX = {operand.name: index for index, operand in enumerate(OPERANDS)}
N_DIFFERENTIABLE = sum(operand.is_differentiable for operand in OPERANDS)  # they come first
LEARNED = range(INDEX["weight_ih"], N_DIFFERENTIABLE)  # indices of the weights, biases and gains

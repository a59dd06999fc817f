"""The operand list: Python, C++, the operators' schemas and the cells' weights agree on it."""

import pytest
import torch

from unrolled import kernels
from unrolled.kernels.operands import INDEX, LEARNED, N_DIFFERENTIABLE, OPERANDS, _read
from unrolled.nn.ops import custom_op
from unrolled.nn.ops.double_backward import CELL_TYPES

KINDS = {"StepView": "Real", "Array": "Real", "Real": "Real", "std::int64_t": "int64", "bool": "bool"}


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")
def test_the_compiled_kernels_have_the_same_list() -> None:
    """Else a build is stale, or one of the two readers of operands.def skips a line."""
    compiled = [
        (name, tuple(axes.split(", ")), KINDS[kind], need == "required", is_differentiable)
        for name, kind, need, axes, is_differentiable in kernels._compiled.operands()
    ]
    assert compiled == [tuple(operand) for operand in OPERANDS]


@pytest.mark.parametrize("operator", [custom_op.recurrence, custom_op.recurrence_backward])
def test_the_schemas_begin_with_the_list(operator: torch.library.CustomOpDef) -> None:
    """As torch parsed them, required operands without a question mark."""
    schema = operator._opoverload._schema
    arguments = [(argument.name, str(argument.type)) for argument in schema.arguments[: len(OPERANDS)]]
    assert arguments == [(o.name, "Tensor" if o.is_required else "Optional[Tensor]") for o in OPERANDS]


def test_learned_operands_are_named_as_the_cells_weights() -> None:
    """double_backward hands them to the reference by these names."""
    fields = {name for _, _, weights in CELL_TYPES for name in weights._fields} - {"weight_hr"}
    assert {OPERANDS[index].name for index in LEARNED} == fields


def test_differentiable_operands_come_first() -> None:
    """An index below N_DIFFERENTIABLE is an operand that has a gradient."""
    is_differentiable = [operand.is_differentiable for operand in OPERANDS]
    assert is_differentiable == sorted(is_differentiable, reverse=True)
    assert sum(is_differentiable) == N_DIFFERENTIABLE
    assert [INDEX[operand.name] for operand in OPERANDS] == list(range(len(OPERANDS)))


def test_a_definition_is_read_line_by_line() -> None:
    """A comment is no operand; axes keep their order."""
    text = "// UNROLLED_CONSTANT(name, type, need, axes)\nUNROLLED_CONSTANT(mask, Real, optional, B, H)\n"
    (operand,) = _read(text)
    assert (operand.name, operand.axes, operand.element) == ("mask", ("B", "H"), "Real")

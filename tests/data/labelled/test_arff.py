"""ARFF: a wide table, or sequences of several features in one relational attribute."""

import numpy as np
import pytest

from unrolled.data.io.labelled_table import LabelledColumnSpec
from unrolled.data.labelled.arff import read_arff
from unrolled.errors import DataError

NOTHING = LabelledColumnSpec()
FLAT = (
    "% the archive\n@relation Steps\n\n@attribute att1 numeric\n@ATTRIBUTE 'att 2' REAL\n"
    "@attribute target {1, 2}\n\n@data\n1.5,2,1\n% left out\n3,?,2\n"
)
RELATIONAL = (
    "@relation Steps\n@attribute steps relational\n@attribute t0 numeric\n@attribute t1 numeric\n"
    "@attribute t2 numeric\n@end steps\n@attribute class {'Standing up',Running}\n@data\n"
    "'1,2,3\\n4,5,6','Standing up'\n\"7,8,?\\n9,1,?\",Running\n"
)


def test_a_flat_file_is_a_wide_table() -> None:
    """A row a sequence; the last nominal attribute is the label, ? is missing."""
    series, labels = read_arff(FLAT, "steps.arff", NOTHING)
    assert np.array_equal(series.values[:, 0], [1.5, 2, 3, np.nan], equal_nan=True)
    assert labels is not None
    assert labels.tolist() == [1, 2]


def test_lines_of_a_relation_are_features() -> None:
    """In single or double quotes; said in a note."""
    series, labels = read_arff(RELATIONAL, "steps.arff", NOTHING)
    assert series.columns == ("x1", "x2")
    nan = np.nan
    assert np.array_equal(series.values, [[1, 4], [2, 5], [3, 6], [7, 9], [8, 1], [nan, nan]], equal_nan=True)
    assert labels is not None
    assert labels.tolist() == ["Standing up", "Running"]
    assert series.notes == ("each line of a relational value was read as a feature",)


@pytest.mark.parametrize("text", [FLAT, RELATIONAL])
def test_withheld_labels_are_none(text: str) -> None:
    """A test set whose labels are all ?."""
    for label in ("1", "2", "'Standing up'", "Running"):
        text = text.replace(f",{label}\n", ",?\n")
    assert read_arff(text, "steps.arff", NOTHING)[1] is None


def test_another_attribute_can_be_the_label() -> None:
    """label= names it, and offers the nearest spelling."""
    text = FLAT.replace("@attribute target", "@attribute kind {a,b}\n@attribute target").replace(
        ",1\n", ",b,1\n"
    )
    text = text.replace(",2\n", ",a,2\n")
    _, labels = read_arff(text, "steps.arff", LabelledColumnSpec(label="kind"))
    assert labels is not None
    assert labels.tolist() == ["b", "a"]
    with pytest.raises(DataError, match=r"expected a column 'knd' as label, .*Did you mean 'kind'\?"):
        read_arff(text, "steps.arff", LabelledColumnSpec(label="knd"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FLAT.replace("3,?,2", "3,?,5"), "row 11: expected one of the values of 'target' (1, 2), got '5'."),
        (FLAT.replace("3,?,2", "3,2"), "row 11: expected 3 values, one an attribute, got 2."),
        (
            FLAT.replace("3,?,2", "{0 3, 2 1}"),
            "row 11: expected the values of all attributes, got a sparse row.",
        ),
        (FLAT.split("@data", maxsplit=1)[0], "expected a line @data with rows below it, got none"),
        (FLAT.replace("@data", "@dta"), "row 8: expected @attribute or @data, got '@dta'."),
        (FLAT.split("1.5", maxsplit=1)[0], "expected rows below @data, got none."),
        (RELATIONAL.replace("4,5,6", "4,5"), "row 9: expected features of as many steps, got 3 and 2."),
        (RELATIONAL.replace("4,5,6", "4,x,6"), "row 9: expected a number or ?, got 'x'."),
        (RELATIONAL.replace("\\n4,5,6", ""), "row 10: expected 1 features as above, got 2."),
        (RELATIONAL.replace(",Running\n", ",?\n"), "row 10: expected a label, got '?'."),
    ],
)
def test_a_file_that_breaks_its_header_is_one_sentence(text: str, sentence: str) -> None:
    """The row is named."""
    with pytest.raises(DataError) as fault:
        read_arff(text, "steps.arff", NOTHING)
    assert sentence in str(fault.value)

"""Sequences with a label or a number each, as they come and from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from unrolled.data.io import files
from unrolled.data.io.arrays import nested_columns, to_sequences
from unrolled.data.io.formats import PARQUET, json_frame, nested_frame, parquet_frame
from unrolled.data.io.frames import from_frame
from unrolled.data.io.labelled_table import LabelledColumnSpec, parse_labelled_table, read_labels
from unrolled.data.labelled.arff import read_arff
from unrolled.data.labelled.array_files import NPY, is_npz, npz_parts, read_npy, read_npz
from unrolled.data.labelled.headerless import with_unnamed_label
from unrolled.data.labelled.ts_format import read_ts
from unrolled.data.padding import cut_missing_ends
from unrolled.data.parse.columns import refuse_column_names
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quoted_list
from unrolled.validation import check_path

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Sequences, and what stands beside each.

    Args:
        sequences: N of them; a missing value is NaN.
        labels: (N,) int64, float64 or texts; None where the file has none.
        source: the file, for messages.
    """

    sequences: Sequences
    labels: Array | None
    source: str

    def beside(self, labels: Array | None) -> Labelled:
        """Read labels as those of another file are: names that all look like numbers stay names.

        >>> import numpy as np
        >>> two = Sequences.from_arrays([[1.0], [2.0]])
        >>> Labelled(two, np.array([10, 11]), "test.csv").beside(np.array(["01", "10"])).labels.tolist()
        ['10', '11']
        """
        if labels is None or self.labels is None:
            return self
        return replace(self, labels=labels_beside(self.labels, labels))


def labels_beside(labels: Array, others: Array) -> Array:
    """Read whole numbers as names, where the labels of another file are names that all look like numbers.

    >>> import numpy as np
    >>> labels_beside(np.array([10, 11]), np.array(["01", "10"])).tolist()
    ['10', '11']
    """
    return labels.astype(str) if others.dtype.kind == "U" and labels.dtype.kind == "i" else labels


def read_labelled(
    path: str | Path,
    *,
    label: str | None = None,
    id: str | Sequence[str] | None = None,  # noqa: A002 (the word for it in every frame)
    time: str | None = None,
    part: str | None = None,
) -> Labelled:
    r"""Read the labelled sequences in a file.

    Args:
        path: CSV in any dialect or Parquet, wide (a row a sequence) or long (a row a step, with an id, a time
            and the label in each row), or with lists in its cells; `.ts`, `.arff` and the tables without a
            header of the UEA and UCR archives; `.npz` with X and y, or with X_train, y_train, X_test and
            y_test; `.npy`, which has no labels. Texts may be gzipped.
        label: the column of labels of a table; else label or class, target or y, or the last one of texts;
            of a table of numbers without a header the first or the last one, if only it recurs.
        id: the column that tells the sequences of a long table apart, or several that do together.
        time: the column that orders their rows.
        part: "train" or "test", where an `.npz` has both.

    Returns:
        Labelled. Steps at a sequence's end without any value, with which files pad, are left out; what else
        was changed on the way stands in `sequences.notes`.

    Raises:
        ArgumentError: an argument has a wrong value, or means nothing for this file.
        DataError: the file cannot be read; the message names the row where it can.

    >>> Path("steps.csv").write_text("a,b,c,class\n1,2,4,up\n4,2,,down\n")
    31
    >>> read = read_labelled("steps.csv")
    >>> read.sequences.lengths.tolist(), read.labels.tolist()
    ([3, 2], ['up', 'down'])
    """
    path = check_path("read_labelled path", path)
    content = files.read_decompressed(path)
    kind = _format(content, path)
    if part is not None and kind != "npz":
        raise ArgumentError(
            f"part: only .npz files have a train and a test part, got {part!r} with {path.name}."
        )
    ids = () if id is None else (id,) if isinstance(id, str) else tuple(id)
    if kind not in {"table", "arff"}:
        refuse_column_names({"label": label, "id": ", ".join(ids) or None, "time": time}, path.name)
    named = LabelledColumnSpec(label, ids, time)
    labels: Array | None = None
    if kind == "npz":
        series, labels = read_npz(content, path.name, part)
    elif kind == "npy":
        series = read_npy(content, path.name)
    elif kind == "ts":
        series, labels = read_ts(files.decode_text(content, path)[0], path.name)
    elif kind == "arff":
        series, labels = read_arff(files.decode_text(content, path)[0], path.name, named)
    else:
        series, labels = _from_table(content, path, named)
    return Labelled(cut_missing_ends(series, path.name), labels, path.name)


def parts_of(path: str | Path) -> tuple[str, ...]:
    """List the parts that `read_labelled` can read of a file: ("train", "test") of such an `.npz`, or none.

    >>> import numpy as np
    >>> np.savez("both.npz", X_train=0, y_train=0, X_test=0, y_test=0)
    >>> parts_of("both.npz")
    ('train', 'test')
    """
    content = files.read_decompressed(Path(path))
    return npz_parts(content, Path(path).name) if is_npz(content) else ()


def _format(content: bytes, path: Path) -> str:
    """Return the format of a file: "npz", "npy", "ts", "arff" or "table", by its name or its first bytes."""
    if is_npz(content):
        return "npz"
    if content.startswith(NPY):
        return "npy"
    lines = (line.strip() for line in content[:65_536].removeprefix(b"\xef\xbb\xbf").splitlines())
    first = next((line for line in lines if line and not line.startswith((b"#", b"%"))), b"")
    if first.lower().startswith(b"@relation"):
        return "arff"
    is_ts = path.name.lower().endswith((".ts", ".ts.gz")) or first.startswith(b"@")
    return "ts" if is_ts else "table"


def _from_table(content: bytes, path: Path, named: LabelledColumnSpec) -> tuple[Sequences, Array | None]:
    frame = None
    if content.startswith(PARQUET):
        frame = parquet_frame(content, path)
    elif content.lstrip()[:1] in {b"{", b"["}:
        frame = json_frame(content, path, nested_frame)
    nested = [] if frame is None else nested_columns(frame)
    if frame is None or not nested:
        table = files.parse_table(content, path)
        return parse_labelled_table(*with_unnamed_label(table, named))
    series, beside = to_sequences(frame[nested], path.name), frame.drop(columns=nested)
    only_rows = "only a table without lists in its cells has such a column"
    refuse_column_names({"id": ", ".join(named.id) or None, "time": named.time}, path.name, only_rows)
    if named.label is not None and not beside.shape[1]:
        got = f"got only {quoted_list(nested)}"
        raise DataError(f"{path.name}: expected a column {named.label!r} as label, {got}.")
    labels = read_labels(from_frame(beside, path.name), named) if beside.shape[1] else None
    return replace(series, source=path.name), labels

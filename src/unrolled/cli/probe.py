"""`unrolled probe`: what does the network remember?"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.check import Faults, one_of
from unrolled.cli.options import Id, Json, Label, LabelledColumns, Seed, Time
from unrolled.errors import ArgumentError

if TYPE_CHECKING:
    from unrolled.data.labelled import Labelled
    from unrolled.models.sequence_estimator import SequenceEstimator

ASKING = ("order", "memory", "gradients", "states", "length")  # of the network as it is
TRAINING = ("activations", "feedforward")  # others like it are trained
_UNSEEDED = ("gradients", "states", "length")

Folder = Annotated[
    str, typer.Argument(metavar="MODEL", show_default=False, help="Folder of a model kept by --save.")
]
Data = Annotated[
    str, typer.Argument(metavar="DATA", show_default=False, help="CSV, Parquet, .ts (.gz too) or .npz.")
]
Only = Annotated[
    str | None,
    typer.Option(
        "--only",
        metavar="NAMES",
        help=f"Such as order,memory; all but {' and '.join(TRAINING)} by default, which train anew.",
    ),
]
Report = Annotated[
    str | None, typer.Option("--report", metavar="FILE.html", help="Write a page with a figure for each.")
]


def command(
    model: Folder,
    data: Data,
    *,
    only: Only = None,
    label: Label = None,
    id: Id = None,  # noqa: A002 (the option's name)
    time: Time = None,
    report: Report = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Ask a kept network what it remembers.

    Does the order of the steps matter to it, how far back does it look, do its gradients survive, what does
    its state do, what happens on longer sequences? A sentence each. Ask with sequences that it was not fitted
    on: of the others it may know the answers by heart.

    \b
    Examples:
      unrolled probe kinds test.csv
      unrolled probe kinds test.csv --only order,memory --report memory.html
      unrolled probe kinds test.csv --only activations --json
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli import output as out
    from unrolled.cli.places import check_places
    from unrolled.cli.sequence_story import card, told

    check_places({"MODEL": model, "DATA": data}, page=report)
    names = _names(only)
    fitted = _loaded(model)
    labelled = LabelledColumns(label, id, time).read(data, "test", must_be_labelled=True)
    out.tell_notes(labelled.sequences)
    records, refused = _asked(fitted, labelled, names, seed or 0, must=only is not None)
    if report:
        from unrolled.report.sequence_page import write_probes

        write_probes(
            report,
            records=list(records.values()),
            refused=refused,
            data=told(labelled),
            model_card=card(fitted),
        )
    written = [report] if report else []
    if json:
        found = {name: record.to_dict() for name, record in records.items()}
        out.print_json({"source": labelled.source, "probes": found, "refused": refused, "written": written})
        return
    _print(records, refused)
    out.print_written(written)


def _names(only: str | None) -> list[str]:
    """The probes asked for, each once, in the order of the page."""
    if only is None:
        return list(ASKING)
    faults = Faults()
    known = [*ASKING, *TRAINING]
    named = [faults.collect(one_of, "--only", name.strip(), known) for name in only.split(",")]
    faults.raise_if_any()
    return [name for name in known if name in named]


def _loaded(folder: str) -> SequenceEstimator:
    """A kept model of whole sequences."""
    from unrolled.models.base import estimator_name
    from unrolled.models.sequence_classifier import SequenceClassifier
    from unrolled.models.sequence_regressor import SequenceRegressor

    kinds = {kind.__name__: kind for kind in (SequenceClassifier, SequenceRegressor)}
    return kinds.get(estimator_name(Path(folder)), SequenceClassifier).load(folder)


def _asked(
    model: SequenceEstimator, data: Labelled, names: list[str], seed: int, *, must: bool
) -> tuple[dict[str, Any], list[str]]:
    """What each probe found, and why some could not be asked; where they must be, that is an error."""
    from unrolled import probe
    from unrolled.train.progress import ProgressLine

    records: dict[str, Any] = {}
    refused = []
    with ProgressLine("probing", len(names), shown=True) as line:
        for k, name in enumerate(names):
            line.update(k, name)
            seeded = {} if name in _UNSEEDED else {"random_state": seed}
            try:
                records[name] = getattr(probe, name)(model, data.sequences, data.labels, **seeded)
            except ArgumentError as fault:
                told = re.sub(r"^model:", "MODEL:", str(fault))
                if must:
                    raise ArgumentError(told) from fault
                refused.append(f"{name}: {told}")
        line.update(len(names), "done")
    return records, refused


def _print(records: dict[str, Any], refused: list[str]) -> None:
    """A paragraph a probe: its name, and its sentence beside it."""
    from unrolled.cli.screen import printable

    margin = max(map(len, records), default=0) + 2
    for name, record in records.items():
        words = textwrap.fill(printable(record.sentence), width=100 - margin)
        print(name.ljust(margin) + textwrap.indent(words, " " * margin).lstrip())
    for sentence in refused:
        print(printable(f"Not asked: {sentence}"))

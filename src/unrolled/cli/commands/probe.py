"""`unrolled probe`: what does the network remember?"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from unrolled.cli.options import Id, Json, Label, LabelledColumns, Seed, Time
from unrolled.errors import ArgumentError, DataError
from unrolled.validation import ErrorCollector, check_choice

if TYPE_CHECKING:
    from unrolled.data.io.labelled import Labelled
    from unrolled.models.sequence.base import SequenceEstimator

ASKING = ("order", "memory", "gradients", "states", "length")  # of the network as it is
TRAINING = ("activations", "feedforward")  # others like it are trained
_DRAWING_NOTHING = {"states", "length"}  # at random, so that no seed matters
_UNITS = ("state", "gates")
_FOLLOWED = 12  # sequences whose states are kept, spread evenly over the file

Folder = Annotated[
    str, typer.Argument(metavar="MODEL", show_default=False, help="Folder of a model kept by --save.")
]
Data = Annotated[
    str, typer.Argument(metavar="DATA", show_default=False, help="CSV, Parquet, .ts (.gz too) or .npz.")
]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="NAMES", help=f"Some of {','.join((*ASKING, *TRAINING))}."),
]
Retrain = Annotated[
    bool,
    typer.Option("--retrain", help="Train networks like it anew: on shuffled steps, and for the last two."),
]
Report = Annotated[
    str | None, typer.Option("--report", metavar="FILE.html", help="Write a page with a figure for each.")
]


def command(
    model: Folder,
    data: Data,
    *,
    only: Only = None,
    retrain: Retrain = False,
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
      unrolled probe kinds test.csv --only order,feedforward --retrain --json
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli import output as out
    from unrolled.cli.paths import check_places
    from unrolled.cli.sequence_report import card, told

    check_places({"MODEL": model, "DATA": data}, page=report)
    names = _names(only, seed, retrain=retrain)
    fitted = _loaded(model)
    labelled = LabelledColumns(label, id, time).read(data, "test", must_be_labelled=True)
    labelled = labelled.beside(getattr(fitted, "classes_", None))
    out.tell_notes(labelled.sequences)
    asking = Asking(fitted, labelled, seed or 0, retrain)
    records, refused = asking.all(names, must=only is not None)
    if report:
        from unrolled.report.html.sequence_page import write_probes

        write_probes(
            report,
            records=list(records.values()),
            refused=refused,
            data=told(labelled),
            model_card=card(fitted),
        )
    written = [report] if report else []
    if json:
        found = {name: _for_machines(record) for name, record in records.items()}
        out.print_json({"source": labelled.source, "probes": found, "refused": refused, "written": written})
        return
    _print(records, refused)
    out.print_written(written)


def _names(only: str | None, seed: int | None, *, retrain: bool) -> list[str]:
    """The probes asked for, each once, in the order of the page; each option must matter to one of them."""
    if only is None:
        return [*ASKING, *(TRAINING if retrain else ())]
    faults = ErrorCollector()
    known = [*ASKING, *TRAINING]
    named = [faults.collect(check_choice, "--only", name.strip(), known) for name in only.split(",")]
    faults.raise_if_any()
    names = [name for name in known if name in named]
    got = f"got --only {','.join(names)}."
    if retrain and not {"order", *TRAINING}.intersection(names):
        faults.add(
            f"--retrain: only order, activations and feedforward train networks; {got} Leave --retrain out, "
            "or ask for one of those."
        )
    if seed is not None and _DRAWING_NOTHING.issuperset(names):
        faults.add(f"--seed: states and length draw nothing at random; {got} Leave --seed out.")
    faults.raise_if_any()
    return names


def _loaded(folder: str) -> SequenceEstimator:
    """A kept model of whole sequences."""
    from unrolled.models.estimator import estimator_name
    from unrolled.models.sequence.classifier import SequenceClassifier
    from unrolled.models.sequence.regressor import SequenceRegressor

    kinds = {kind.__name__: kind for kind in (SequenceClassifier, SequenceRegressor)}
    return kinds.get(estimator_name(Path(folder)), SequenceClassifier).load(folder)


class Asking(NamedTuple):
    """A model, and what it is asked about."""

    model: SequenceEstimator
    data: Labelled
    seed: int
    retrain: bool

    def all(self, names: list[str], *, must: bool) -> tuple[dict[str, Any], list[str]]:
        """What each probe found, and why some could not be asked; where they must be, that is an error."""
        from unrolled.train.progress import ProgressLine

        records: dict[str, Any] = {}
        refused = []
        with ProgressLine("probing", len(names), shown=True) as line:
            for k, name in enumerate(names):
                line.update(k, name)
                try:
                    records[name] = self.one(name)
                except (ArgumentError, DataError) as fault:
                    told = re.sub(r"^model:", "MODEL:", str(fault))
                    # data that the probes before could read are only too few for a training
                    if must or not (isinstance(fault, ArgumentError) or name in TRAINING):
                        raise type(fault)(told) from fault
                    refused.append(f"{name}: {told}")
            line.update(len(names), "done")
        return records, refused

    def one(self, name: str) -> Any:
        """What one probe found."""
        import numpy as np

        from unrolled import probe

        X, y, seed = self.data.sequences, self.data.labels, self.seed
        if name == "order":
            return probe.order(self.model, X, y, retrain=self.retrain, random_state=seed)
        if name == "length":
            return probe.length(self.model, X, y)
        if name == "states":
            some = np.unique(np.linspace(0, len(X) - 1, _FOLLOWED).astype(int))
            return probe.states(self.model, [X[int(k)].values for k in some])
        if name == "activations":
            return probe.activations(X, y, random_state=seed)
        return getattr(probe, name)(self.model, X, y, random_state=seed)


def _for_machines(record: Any) -> dict[str, Any]:
    """A record without the states of all units, which are for the library."""
    told: dict[str, Any] = record.to_dict()
    return {key: value for key, value in told.items() if record.kind != "states" or key not in _UNITS}


def _print(records: dict[str, Any], refused: list[str]) -> None:
    """A paragraph a probe: its name, and its sentence beside it."""
    from unrolled.cli.terminal import printable

    margin = max(map(len, records), default=0) + 2
    for name, record in records.items():
        # no line begins with "%"
        lines = textwrap.wrap(printable(record.sentence).replace(" %", "\u00a0%"), width=100 - margin)
        words = f"\n{' ' * margin}".join(lines).replace("\u00a0", " ")
        print(name.ljust(margin) + words)
    for sentence in refused:
        print(printable(f"Not asked: {sentence}"))

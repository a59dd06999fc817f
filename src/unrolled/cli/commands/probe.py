"""`unrolled probe`: what does the network remember?"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from unrolled.cli.options import Json, Seed, SequenceColumns, option_groups
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import with_article
from unrolled.validation import ErrorCollector, check_choice

if TYPE_CHECKING:
    from unrolled.report.records import LabelledData, TextData

MODEL_PROBES = ("order", "memory", "gradients", "states", "length", "influence")  # of the network as it is
TRAINING_PROBES = ("activations", "feedforward")  # others like it are trained
_UNLABELLED = ("memory", "states", "influence")  # need no labels
_OF_TEXTS = "influence"  # asked of models of texts alone
_DETERMINISTIC = {"states", "length", "influence"}  # at random, so that no seed matters
_UNITS = ("state", "gates")
_MOST_SEQUENCES = 12  # whose states are recorded, and whose words are hidden, spread evenly over the file
_MOST_CHARACTERS = 500  # of a running text, for the same

Folder = Annotated[
    str, typer.Argument(metavar="MODEL", show_default=False, help="Folder of a model saved by --save.")
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="CSV, Parquet, .ts, .arff, .npz or .npy; texts and recordings as the model reads them.",
    ),
]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="NAMES", help=f"Some of {','.join((*MODEL_PROBES, *TRAINING_PROBES))}."),
]
Retrain = Annotated[
    bool,
    typer.Option("--retrain", help="Train networks like it anew: on shuffled steps, and for the last two."),
]
Report = Annotated[
    str | None, typer.Option("--report", metavar="FILE.html", help="Write a page with a figure for each.")
]


@option_groups
def probe_command(
    model: Folder,
    data: Data,
    *,
    only: Only = None,
    retrain: Retrain = False,
    report: Report = None,
    seed: Seed = None,
    columns: SequenceColumns,
    json: Json = False,
) -> None:
    """Ask a saved network what it remembers.

    Does the order of the steps matter to it, how far back does it look, do its gradients survive, what does
    its state do, what happens on longer sequences, and of texts, which words count? A sentence each. Ask with
    data that it was not fitted on: of the others it may know the answers by heart. Without labels, memory,
    states and influence are asked.

    \b
    Examples:
      unrolled probe kinds test.csv
      unrolled probe kinds test.csv --only order,memory --report memory.html
      unrolled probe sentiment unseen.csv --report sentiment.html
      unrolled probe words-model new-words/ --only order,memory
      unrolled probe kinds test.csv --only order,feedforward --retrain --json
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths
    from unrolled.cli.terminal import status_line

    check_paths({"MODEL": model, "DATA": data}, report=report)
    names = _probe_names(only, seed, retrain=retrain)
    with status_line(f"reading {data}"):
        from unrolled.cli import output as out
        from unrolled.cli.sequence_report import sequence_model_card

        fitted = _load_model(model)
        probed = _read_data(fitted, data, columns)
    out.print_notes(probed.shown)
    names = _probes_of_model(names, fitted, probed, only, retrain=retrain)
    run = ProbeRun(fitted, probed, seed or 0, retrain)
    records, refusals = run.all(names, required=only is not None)
    if report:
        from unrolled.report.html.sequence_page import write_probe_report

        write_probe_report(
            report,
            records=list(records.values()),
            refusals=refusals,
            data=probed.shown,
            model_card=sequence_model_card(fitted),
        )
    written = [report] if report else []
    if json:
        probes = {name: _jsonable_record(record) for name, record in records.items()}
        out.print_json({"source": probed.source, "probes": probes, "refused": refusals, "written": written})
        return
    _print_records(records, refusals)
    out.print_written_paths(written)


def _probe_names(only: str | None, seed: int | None, *, retrain: bool) -> list[str]:
    """Names of the probes to run, in the order of the page; each option must matter to one of them."""
    if only is None:
        return [*MODEL_PROBES, *(TRAINING_PROBES if retrain else ())]
    faults = ErrorCollector()
    all_names = [*MODEL_PROBES, *TRAINING_PROBES]
    chosen_names = [
        faults.collect(check_choice, "--only", name.strip(), all_names) for name in only.split(",")
    ]
    faults.raise_if_any()
    names = [name for name in all_names if name in chosen_names]
    got = f"got --only {','.join(names)}."
    if retrain and not {"order", *TRAINING_PROBES}.intersection(names):
        faults.add(
            f"--retrain: only order, activations and feedforward train networks; {got} Leave --retrain out, "
            "or ask for one of those."
        )
    if seed is not None and _DETERMINISTIC.issuperset(names):
        faults.add(f"--seed: states, length and influence draw nothing at random; {got} Leave --seed out.")
    faults.raise_if_any()
    return names


def _probes_of_model(
    names: list[str], model: Any, data: ProbeData, only: str | None, *, retrain: bool
) -> list[str]:
    """Leave out what is asked of models of texts alone, and refuse what this model cannot be asked."""
    from unrolled.models.text.language.language_model import LanguageModel

    if retrain and isinstance(model, LanguageModel):
        raise ArgumentError(
            "--retrain: a language model is trained on text alone, which has no labels. Leave it out."
        )
    if data.are_texts or _OF_TEXTS not in names:
        return names
    if only is not None:
        raise ArgumentError(
            f"--only: expected probes of sequences, got {_OF_TEXTS}, which hides words of texts. Ask for "
            "memory."
        )
    return [name for name in names if name != _OF_TEXTS]


def _load_model(folder: str) -> Any:
    """Load a saved model of whole sequences, of recordings or of texts."""
    from unrolled.models.audio.classifier import AudioClassifier
    from unrolled.models.persistence import load_one_of
    from unrolled.models.sequence.classifier import SequenceClassifier
    from unrolled.models.sequence.regressor import SequenceRegressor
    from unrolled.models.text.classifier import TextClassifier
    from unrolled.models.text.language.language_model import LanguageModel
    from unrolled.models.text.tagger import TextTagger

    kinds = (
        SequenceClassifier, SequenceRegressor, AudioClassifier, TextClassifier, TextTagger, LanguageModel,
    )  # fmt: skip
    return load_one_of(folder, kinds)


@dataclass(frozen=True, eq=False)
class ProbeData:
    """Sequences or texts to probe a model on.

    Args:
        X: as the model reads them.
        few: a few of them, for the probes whose record holds every step.
        labels: of X; None where there are none.
        source: the file, for messages.
        shown: what the report says of them.
        are_texts: whether words can be hidden.
        has_targets: whether a loss can be computed: there are labels, or the model predicts X itself.
    """

    X: Any
    few: Any
    labels: Any
    source: str
    shown: LabelledData | TextData
    are_texts: bool
    has_targets: bool


def _read_data(model: Any, file: str, columns: SequenceColumns) -> ProbeData:
    """Read a file as a model reads it.

    Raises:
        ArgumentError: an option means nothing for the model.
        DataError: the file cannot be used; the sentence says why.
    """
    from unrolled.cli.sequence_report import labelled_data
    from unrolled.models.audio.classifier import AudioClassifier
    from unrolled.models.sequence.base import SequenceEstimator

    if isinstance(model, AudioClassifier):
        return _recording_data(model, file, columns)
    if not isinstance(model, SequenceEstimator):
        return _text_data(model, file, columns)
    labelled = columns.read(file, "test").beside(model.output_classes())
    few = [labelled.sequences[k].values for k in _spread(len(labelled.sequences))]
    return ProbeData(
        X=labelled.sequences,
        few=few,
        labels=labelled.labels,
        source=labelled.source,
        shown=labelled_data(labelled),
        are_texts=False,
        has_targets=labelled.labels is not None,
    )


def _recording_data(model: Any, file: str, columns: SequenceColumns) -> ProbeData:
    from unrolled.cli.sequence_report import loudness_data
    from unrolled.data.audio.read import read_recordings
    from unrolled.data.labelled.read import labels_beside

    given = columns.given()
    if unused := set(given) - {"label"}:
        raise ArgumentError(f"--{min(unused)}: recordings have no use for it. Leave it out.")
    read = read_recordings(file, label=given.get("label"))
    return ProbeData(
        X=read,
        few=[read[k] for k in _spread(len(read))],
        labels=None if read.labels is None else labels_beside(read.labels, model.classes_),
        source=read.source,
        shown=loudness_data(read, model),
        are_texts=False,
        has_targets=read.labels is not None,
    )


def _text_data(model: Any, file: str, columns: SequenceColumns) -> ProbeData:
    from unrolled.cli.sequence_report import label_texts
    from unrolled.data.labelled.read import labels_beside
    from unrolled.data.text.conll import read_tagged
    from unrolled.data.text.read import read_running_text, read_texts
    from unrolled.report.records import TextData

    given, kind = columns.given(), type(model).__name__
    unused = set(given) - (set() if kind == "LanguageModel" else {"label"})
    if unused:
        raise ArgumentError(f"--{min(unused)}: {with_article(kind)} has no use for it. Leave it out.")
    X: Any
    labels: Any = None
    names = label_texts(())
    if kind == "TextTagger":
        tagged = read_tagged(file, **({"column": given["label"]} if given else {}))
        X, labels, source = tagged.words, tagged.tags, tagged.source
        raw = [" ".join(words) for words in X]
    elif kind == "TextClassifier" or model.has_ends_:
        texts = read_texts(file, label=given.get("label"))
        X, raw, source = texts.texts, texts.texts, texts.source
        if kind == "TextClassifier" and texts.labels is not None:
            labels = labels_beside(texts.labels, model.classes_)
            names = label_texts(labels)
    else:
        X, source = read_running_text(file), file
        raw = [X]
    return ProbeData(
        X=X,
        few=X[:_MOST_CHARACTERS] if isinstance(X, str) else [X[k] for k in _spread(len(X))],
        labels=labels,
        source=source,
        shown=TextData(source, raw, names),
        are_texts=True,
        has_targets=labels is not None or kind == "LanguageModel",
    )


def _spread(n: int) -> list[int]:
    """Return some positions among n, from the first to the last."""
    return sorted({k * (n - 1) // (_MOST_SEQUENCES - 1) for k in range(_MOST_SEQUENCES)})


class ProbeRun(NamedTuple):
    """Model and data of the probes."""

    model: Any
    data: ProbeData
    seed: int
    retrain: bool

    def all(self, names: list[str], *, required: bool) -> tuple[dict[str, Any], list[str]]:
        """Run the probes; return their records, and the reasons of those that refused unless required."""
        from unrolled.train.progress import ProgressLine

        records: dict[str, Any] = {}
        refusals = []
        with ProgressLine("probing", len(names), shown=True) as line:
            for k, name in enumerate(names):
                line.update(k, name)
                try:
                    records[name] = self.one(name)
                except (ArgumentError, DataError) as fault:
                    sentence = re.sub(r"^model:", "MODEL:", str(fault))
                    # data that the probes before could read are only too few for a training
                    is_skipped = isinstance(fault, ArgumentError) or name in TRAINING_PROBES
                    if required or not (is_skipped or not self.data.has_targets):
                        raise type(fault)(sentence) from fault
                    refusals.append(f"{name}: {sentence}")
            line.update(len(names), "done")
        return records, refusals

    def one(self, name: str) -> Any:
        """Run one probe."""
        from unrolled import probe

        X, y, seed = self.data.X, self.data.labels, self.seed
        if not (self.data.has_targets or name in _UNLABELLED):
            what = "text" if self.data.are_texts else "sequence"
            names = [each for each in _UNLABELLED if self.data.are_texts or each != _OF_TEXTS]
            raise DataError(
                f"{self.data.source}: expected a label beside each {what}, got none. Name its column with "
                f"--label, or ask with --only {','.join(names)}."
            )
        if name == "order":
            return probe.order(self.model, X, y, retrain=self.retrain, random_state=seed)
        if name == "length":
            return probe.length(self.model, X, y)
        if name == "states":
            return probe.states(self.model, self.data.few)
        if name == "influence":
            return probe.influence(self.model, self.data.few)
        if name == "activations":
            return probe.activations(self.model, X, y, random_state=seed)
        return getattr(probe, name)(self.model, X, y, random_state=seed)


def _jsonable_record(record: Any) -> dict[str, Any]:
    """Convert a record for JSON, without the states of all units."""
    facts: dict[str, Any] = record.to_dict()
    return {key: value for key, value in facts.items() if record.kind != "states" or key not in _UNITS}


def _print_records(records: dict[str, Any], refusals: list[str]) -> None:
    """Print a paragraph a probe: its name, and its sentence beside it."""
    from unrolled.cli.terminal import printable

    margin = max(map(len, records), default=0) + 2
    for name, record in records.items():
        # no line begins with "%"
        lines = textwrap.wrap(printable(record.sentence).replace(" %", "\u00a0%"), width=100 - margin)
        words = f"\n{' ' * margin}".join(lines).replace("\u00a0", " ")
        print(name.ljust(margin) + words)
    for sentence in refusals:
        print(printable(f"Skipped: {sentence}"))

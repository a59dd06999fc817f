"""`unrolled translate`: learn from pairs of texts, beside what is simpler; or translate texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from unrolled.cli.options import Json, Model, OptionGroup, Save, Seed, option_groups
from unrolled.cli.usage_errors import refuse_training_options
from unrolled.errors import ArgumentError

if TYPE_CHECKING:
    pass

PairFile = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="A table with a source and a target a row, or sources, a line each; with --model a text.",
    ),
]
Targets = Annotated[
    str | None,
    typer.Argument(metavar="TARGETS", show_default=False, help="The target of each line of FILE."),
]
Test = Annotated[str | None, typer.Option("--test", metavar="FILE", help="Pairs that are not learned from.")]
TestTargets = Annotated[
    str | None, typer.Option("--test-targets", metavar="FILE", help="The target of each line of --test.")
]
SourceColumn = Annotated[
    str | None,
    typer.Option("--source-column", metavar="COLUMN", help="Of a table: what is translated."),
]
TargetColumn = Annotated[
    str | None, typer.Option("--target-column", metavar="COLUMN", help="Of a table: its translation.")
]
PlainText = Annotated[
    str | None, typer.Option("--text", metavar="TEXT", help="With --model: a text, in place of FILE.")
]
Beam = Annotated[
    int | None,
    typer.Option(
        "--beam", metavar="COUNT", help="Hypotheses that are searched; 5 by default, 1 is quickest."
    ),
]
Output = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write all translations: .csv, .csv.gz or .parquet."),
]


@dataclass(frozen=True)
class TranslatorOptions(OptionGroup):
    """Options on the model: arguments of `unrolled.Translator`."""

    unit: Annotated[str | None, typer.Option("--unit", help="subword, word or char; subword by default.")] = (
        None
    )
    vocabulary: Annotated[
        int | None,
        typer.Option("--vocabulary", metavar="TOKENS", help="Of both languages; 6,000 at most by default."),
    ] = None
    cell: Annotated[str | None, typer.Option("--cell", help="gru, lstm or rnn; gru by default.")] = None
    hidden_size: Annotated[
        int | None, typer.Option("--hidden-size", metavar="UNITS", help="Units of a decoder layer.")
    ] = None
    max_epochs: Annotated[int | None, typer.Option("--max-epochs", metavar="EPOCHS", help="Epochs.")] = None
    random_state: Seed = None


class _Files(NamedTuple):
    """Arguments on the files of pairs."""

    file: str
    targets: str | None
    test: str | None
    test_targets: str | None
    source: str | None
    target: str | None


@option_groups
def translate_command(
    file: PairFile = None,
    targets: Targets = None,
    *,
    source: SourceColumn = None,
    target: TargetColumn = None,
    test: Test = None,
    test_targets: TestTargets = None,
    save: Save = None,
    model: Model = None,
    text: PlainText = None,
    beam: Beam = None,
    output: Output = None,
    options: TranslatorOptions,
    json: Json = False,
) -> None:
    """Learn to translate from pairs of texts; with --model, translate texts.

    With --test the network stands beside the source as it is, its words one by one, and the translation of
    the nearest source, on texts that none has seen; a sentence says whether something simpler does as well.
    Without --test and --save a fifth of the pairs is held out for that.

    \b
    Examples:
      unrolled translate pairs.csv --save german-english
      unrolled translate train.de train.en --test val.de --test-targets val.en --save german-english
      unrolled translate letter.txt --model german-english
      unrolled translate --model german-english --text "Ein Hund rennt."
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths

    read = {"FILE": file, "TARGETS": targets, "--test": test, "--test-targets": test_targets}
    check_paths(read | {"--model": model}, table=output, folder=save)
    if model:
        learning = {"TARGETS": targets, "--target-column": target, "--test": test, "--save": save}
        refuse_training_options(options, learning)
        if (file is None) == (text is None):
            got = "neither" if file is None else "both"
            raise ArgumentError(f"--model: expected FILE or --text, got {got}. Give one, or - for stdin.")
        _translate(_texts(file, text, source), model, beam, output, source=file or "--text", json=json)
        return
    if file is None:
        raise ArgumentError("FILE: expected pairs to learn from, got none. Name a table or two files.")
    if text is not None:
        raise ArgumentError("--text: expected --model beside it, which translates. Name a saved model.")
    if test_targets is not None and test is None:
        raise ArgumentError("--test-targets: expected --test beside it, the sources. Name their file.")
    files = _Files(file, targets, test, test_targets, source, target)
    _learn(files, options, save=save, beam=beam, output=output, json=json)


def _learn(
    files: _Files, options: TranslatorOptions, *, save: str | None, beam: int | None, output: str | None,
    json: bool,
) -> None:  # fmt: skip
    """Fit a Translator, compare it where there is something to test on, and save it."""
    from unrolled.cli import output as out
    from unrolled.data.text.bleu import require_sacrebleu
    from unrolled.data.text.pairs import read_pairs
    from unrolled.evaluate.arguments import ComparisonArguments
    from unrolled.evaluate.text.translation import compare_translations
    from unrolled.models.protocols import end_if_interrupted
    from unrolled.models.text.translation.translator import Translator

    if beam is not None:
        raise ArgumentError("--beam: a comparison searches with 5. Leave it out, or give it with --model.")
    columns = {"source": files.source, "target": files.target}
    train = read_pairs(files.file, files.targets, **(columns if files.targets is None else {}))
    tested = None
    if files.test is not None:
        named = dict(zip(("source", "target"), train.columns, strict=True)) if train.columns[0] else {}
        tested = read_pairs(files.test, files.test_targets, **(named if files.test_targets is None else {}))
    model = Translator(**options.given(), verbose=True)
    model.check_parameters()
    if output is not None and save is not None and tested is None:
        raise ArgumentError("--output: expected --test, whose translations are written. Name a test set.")
    is_tested, result = tested is not None or not save, None
    if is_tested:
        require_sacrebleu()  # before the training, whose model would be lost
    if save:
        model.fit(train.sources, train.targets)
        end_if_interrupted(model)
    if is_tested:
        pair = None if tested is None else (tested.sources, tested.targets)
        arguments, fitted = ComparisonArguments(test=pair), model if save else None
        result = compare_translations(model, train.sources, train.targets, arguments, fitted=fitted)
    untested = "nothing was tested. Name texts that were not learned from with --test."
    out.write_learned(model, result, train.source, untested=untested, save=save, output=output, json=json)


def _texts(file: str | None, text: str | None, column: str | None) -> list[str]:
    from unrolled.data.text.pairs import read_sources

    if file is None:
        assert text is not None
        return [text]
    return read_sources(file, source=column)


def _translate(
    texts: list[str], folder: str, beam: int | None, output: str | None, *, source: str, json: bool
) -> None:
    """Translate texts with a saved model, a line a text; empty lines stay empty."""
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.terminal import printable
    from unrolled.models.text.translation.translator import Translator

    model = Translator.load(folder)
    kept = [k for k, text in enumerate(texts) if text.strip()]
    translations = [""] * len(texts)
    predictions = model.predict([texts[k] for k in kept] or texts, beam=5 if beam is None else beam)
    for k, translation in zip(kept, predictions, strict=True):
        translations[k] = translation
    if output:
        out.write_table(pd.DataFrame({"source": texts, "translation": translations}), output)
    written = [output] if output else []
    if json:
        answers = [
            {"source": text, "translation": one} for text, one in zip(texts, translations, strict=True)
        ]
        out.print_json({"source": source, "answers": answers, "written": written})
        return
    if not output:
        for translation in translations:
            print(printable(" ".join(translation.split())))
    out.print_written_paths(written)

"""`unrolled tag`: a tag for every word, beside what is simpler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Folds, Json, Model, Save, TaggerOptions, option_groups
from unrolled.cli.usage_errors import check_folds, refuse_training_options

if TYPE_CHECKING:
    from unrolled.data.text.conll import TaggedSentences
    from unrolled.models.text.tagger import TextTagger

TaggedFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE", show_default=False, help="CoNLL-U, or a word and its tag a line; with --model a text."
    ),
]
Test = Annotated[
    str | None, typer.Option("--test", metavar="FILE", help="Sentences to test on, not learned from.")
]
Column = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", help="Of CoNLL-U: xpos, deprel, ..; upos by default."),
]


@option_groups
def tag_command(
    file: TaggedFile,
    *,
    test: Test = None,
    folds: Folds = None,
    column: Column = None,
    save: Save = None,
    model: Model = None,
    options: TaggerOptions,
    json: Json = False,
) -> None:
    """Learn the tag of every word: part of speech, or names by the tags B-X, I-X and O.

    Beside the network stand the most frequent tag of each word, and a logistic regression on a word with its
    affixes and neighbours, tested on the same sentences; a sentence says whether something simpler does as
    well. With --model, the words of a text are tagged, a line a sentence.

    \b
    Examples:
      unrolled tag train.conllu --test test.conllu --save tagger
      unrolled tag names.txt --folds 3
      unrolled tag letter.txt --model tagger --json
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths

    check_paths({"FILE": file, "--test": test, "--model": model}, folder=save)
    if model:
        refuse_training_options(
            options, {"--test": test, "--folds": folds, "--column": column, "--save": save}
        )
        _tag_text(file, model, json=json)
        return
    named = {} if column is None else {"column": column}
    _compare(file, test, named, options, folds=check_folds(folds, test), save=save, json=json)


def _compare(
    file: str, test: str | None, named: dict[str, str], options: TaggerOptions, *,
    folds: int | None, save: str | None, json: bool,
) -> None:  # fmt: skip
    """Compare a tagger with its baselines, print the result and save it."""
    from unrolled.cli import output as out
    from unrolled.cli.terminal import printable
    from unrolled.data.text.conll import read_tagged
    from unrolled.evaluate.comparison import compare
    from unrolled.models.protocols import end_if_interrupted

    train = read_tagged(file, **named)
    tested = None if test is None else read_tagged(test, **named)
    tagger = _new_tagger(options, train)
    pair = None if tested is None else (tested.words, tested.tags)
    result = compare(tagger, train.words, train.tags, test=pair, folds=folds)
    if save:
        tagger.fit(train.words, train.tags)
        end_if_interrupted(tagger)
        tagger.save(save)
    written = [save] if save else []
    if json:
        out.print_json(result.to_dict() | {"source": train.source, "written": written})
        return
    print(printable(result))
    out.print_written_paths(written)


def _new_tagger(options: TaggerOptions, train: TaggedSentences) -> TextTagger:
    """Make a tagger of these options; tags B-X, I-X and O are a scheme."""
    from unrolled.models.text.tagger import TextTagger

    tags = {tag for each in train.tags for tag in each}
    marks_spans = "O" in tags and all(tag == "O" or tag.startswith(("B-", "I-")) for tag in tags)
    model = TextTagger(**options.given(), scheme="iob2" if marks_spans else None, verbose=True)
    model.check_parameters()
    return model


def _tag_text(file: str, folder: str, *, json: bool) -> None:
    """Tag the words of a text with a saved model, a line a sentence."""
    from unrolled.cli import output as out
    from unrolled.cli.terminal import printable
    from unrolled.data.text.read import read_texts
    from unrolled.models.text.tagger import TextTagger

    model = TextTagger.load(folder)
    texts = read_texts(file)
    spans = model.predict_spans(texts.texts)
    if json:
        answers = [
            {"text": text, "spans": [span._asdict() for span in each]}
            for text, each in zip(texts.texts, spans, strict=True)
        ]
        out.print_json({"source": texts.source, "answers": answers})
        return
    for text, each in zip(texts.texts, spans, strict=True):
        print(printable(_marked(text, each)))


def _marked(text: str, spans: Sequence[Any]) -> str:
    """Write the label of each span behind it.

    >>> from unrolled.models.text.tagger import TextSpan
    >>> _marked("Ann is in Oslo.", [TextSpan(0, 3, "PER", 0.9), TextSpan(10, 14, "LOC", 0.8)])
    'Ann/PER is in Oslo/LOC.'
    """
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.end], f"/{span.label}"]
        done = span.end
    return "".join([*parts, text[done:]])

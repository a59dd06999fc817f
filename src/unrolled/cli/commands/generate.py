"""`unrolled generate`: learn a language model from a text, beside what is simpler, and write with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Json, OptionGroup, Save, Seed, option_groups
from unrolled.cli.usage_errors import refuse_training_options
from unrolled.errors import ArgumentError

if TYPE_CHECKING:
    from unrolled.evaluate.text.language import LanguageComparison
    from unrolled.models.text.language.language_model import LanguageModel

_SAMPLE = 300  # tokens that are shown after a training

TextFile = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="Text to learn from, UTF-8; or a table with a column of texts.",
    ),
]
Test = Annotated[
    str | None,
    typer.Option("--test", metavar="FILE", help="Text to test on; else the last tenth, not learned from."),
]
Lines = Annotated[bool, typer.Option("--lines", help="Read each line as a document of its own.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="FOLDER", help="Write with a model saved by --save."),
]


@dataclass(frozen=True)
class LanguageOptions(OptionGroup):
    """Options on the model: arguments of `unrolled.LanguageModel`."""

    unit: Annotated[
        str | None,
        typer.Option("--unit", help="Tokens: char, word, or a number of subwords; char by default."),
    ] = None
    cell: Annotated[str | None, typer.Option("--cell", help="lstm, gru or rnn; lstm by default.")] = None
    hidden_size: Annotated[
        int | None,
        typer.Option("--hidden-size", metavar="UNITS", help="Units of a layer; 384 for long texts."),
    ] = None
    num_layers: Annotated[
        int | None, typer.Option("--layers", metavar="LAYERS", help="Recurrent layers; 1 by default.")
    ] = None
    dropout: Annotated[
        float | None, typer.Option("--dropout", metavar="SHARE", help="Of outputs; 0.2 by default.")
    ] = None
    max_epochs: Annotated[
        int | None, typer.Option("--max-epochs", metavar="EPOCHS", help="Passes over the text at most.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Return the values that the user gave, by the library's argument."""
        named = super().given()
        if str(named.get("unit", "")).isdigit():
            named["unit"] = int(named["unit"])
        return named


@dataclass(frozen=True)
class SamplingOptions(OptionGroup):
    """Options on what is written: arguments of `LanguageModel.generate`."""

    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Text to go on from; none by default.")
    ] = None
    n: Annotated[
        int | None, typer.Option("-n", metavar="TOKENS", help="Characters, words or subwords to write; 300.")
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature", metavar="NUMBER", help="Below 1 the likely is likelier; 0.8 by default."
        ),
    ] = None
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="TOKENS", help="Draw from so many of the likeliest.")
    ] = None
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", metavar="SHARE", help="Draw from the likeliest with this share."),
    ] = None

    def given(self) -> dict[str, Any]:
        """Return the arguments of `generate`."""
        return {"prompt": "", "n": _SAMPLE, "temperature": 0.8} | super().given()


@option_groups
def generate_command(
    file: TextFile = None,
    *,
    test: Test = None,
    lines: Lines = False,
    save: Save = None,
    model: Model = None,
    options: LanguageOptions,
    sampling: SamplingOptions,
    random_state: Seed = None,
    json: Json = False,
) -> None:
    """Learn the probability of text, or write text with a model that has.

    A character n-gram model and gzip stand beside the network, in bits a character of the same unseen text; a
    sentence says whether something simpler does as well. A sample follows. --save keeps the model, with
    which --model writes on from a --prompt.

    \b
    Examples:
      unrolled generate book.txt --save model
      unrolled generate names.txt --lines -n 20
      unrolled generate --model model --prompt "Once upon" -n 500 --temperature 0.7
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths

    check_paths({"FILE": file, "--test": test, "--model": model}, folder=save)
    seed = {} if random_state is None else {"random_state": random_state}
    if model is not None:
        given = {"FILE": file, "--test": test, "--lines": lines or None, "--save": save}
        refuse_training_options(options, given)
        _write(model, sampling.given() | seed, json=json)
        return
    if file is None:
        raise ArgumentError(
            "FILE: expected a text to learn from, got none. Name one, or a model with --model."
        )
    _learn(file, test, options.given(), sampling.given(), seed, lines=lines, save=save, json=json)


def _learn(
    file: str, test: str | None, options: dict[str, Any], sampling: dict[str, Any], seed: dict[str, int], *,
    lines: bool, save: str | None, json: bool,
) -> None:  # fmt: skip
    """Fit a model, compare it with its baselines, print the result and a sample, and save it."""
    from unrolled.evaluate.arguments import ComparisonArguments
    from unrolled.evaluate.text.language import compare_language
    from unrolled.models.protocols import end_if_interrupted
    from unrolled.models.text.language.generation import Sampling
    from unrolled.models.text.language.language_model import LanguageModel
    from unrolled.validation import check_int

    arguments: dict[str, Any] = {**options, **seed}
    model = LanguageModel(**arguments, verbose=True)
    model.check_parameters()
    check_int("n", sampling["n"], least=1)  # before the training, not after it
    Sampling.from_arguments(sampling["temperature"], sampling.get("top_k"), sampling.get("top_p"))
    training, tested = _read_parts(file, test, lines=lines)
    model.fit(training)
    end_if_interrupted(model)
    result = compare_language(model, training, None, ComparisonArguments(test=tested), is_fitted=True)
    sample = model.generate(**{"random_state": model.seed_, **sampling, **seed})
    if save:
        model.save(save)
    _print_result(result, model, sampling["prompt"] + sample, save, json=json)


def _print_result(
    result: LanguageComparison, model: LanguageModel, sample: str, save: str | None, *, json: bool
) -> None:
    from unrolled.cli import output as out
    from unrolled.cli.terminal import printable

    written = [save] if save else []
    if json:
        stopping = {"stopping_reason": model.stopping_reason_}
        out.print_json(result.to_dict() | stopping | {"sample": sample, "written": written})
        return
    print(printable(result))
    print(f"\nA sample:\n{printable(sample)}\n")
    out.print_written_paths(written)


def _read_parts(file: str, test: str | None, *, lines: bool) -> tuple[Any, Any]:
    """Read what is learned from, and what is tested on: another file, or a tenth of this one."""
    from unrolled.evaluate.text.language import training_and_test

    training = _read(file, lines=lines)
    if test is not None:
        return training, _read(test, lines=lines)
    return training_and_test(training)


def _read(file: str, *, lines: bool) -> str | list[str]:
    """Read a running text, or documents: the lines of a text, or the rows of a table."""
    from unrolled.data.text.read import is_text_file, read_running_text, read_texts

    if lines or not is_text_file(file):
        return read_texts(file).texts
    return read_running_text(file)


def _write(folder: str, sampling: dict[str, Any], *, json: bool) -> None:
    """Write with a saved model."""
    from unrolled.cli import output as out
    from unrolled.cli.terminal import printable
    from unrolled.models.text.language.language_model import LanguageModel

    text = LanguageModel.load(folder).generate(**sampling)
    if json:
        out.print_json({"prompt": sampling["prompt"], "text": text})
        return
    print(printable(sampling["prompt"] + text))

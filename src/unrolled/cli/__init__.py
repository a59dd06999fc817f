"""Command line: one file a command; each parses, calls the library, prints and returns.

Nothing heavy is imported here or at the top of a command's file, so that `--help` is quick.
"""

import errno
import gc
import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

_COLLECT_AFTER = (100_000, 50, 100)  # new objects, then collections of each generation
_REFUSED = 2  # exit status of a usage or data error
_INTERRUPTED = 130  # 128 + SIGINT, as shells count it

try:
    import typer

    from unrolled import __version__
    from unrolled.cli.commands import (
        backtest,
        classify,
        describe,
        forecast,
        generate,
        probe,
        serve,
        tag,
        transcribe,
        translate,
    )
    from unrolled.cli.shell_words import in_shell_words, use_options, with_option_names
    from unrolled.cli.terminal import prepare_streams, printable
    from unrolled.cli.usage_errors import usage_sentence
    from unrolled.errors import UnrolledError
except KeyboardInterrupt:  # Ctrl-C during these imports
    print("Stopped.", file=sys.stderr)
    raise SystemExit(_INTERRUPTED) from None

_UNWRITABLE = {
    errno.ENOSPC: "disk full ",
    errno.EDQUOT: "disk full ",
    errno.EFBIG: "disk full ",
    errno.EBADF: "it is closed ",
}
_UsageError: Any = typer.BadParameter.__base__  # typer names it nowhere, and has its own click or not

app = typer.Typer(
    name="unrolled",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("describe")(describe.describe_command)
app.command("forecast")(forecast.forecast_command)
app.command("backtest")(backtest.backtest_command)
app.command("classify")(classify.classify_command)
app.command("probe")(probe.probe_command)
app.command("serve")(serve.serve_command)
app.command("tag")(tag.tag_command)
app.command("generate")(generate.generate_command)
app.command("transcribe")(transcribe.transcribe_command)
app.command("translate")(translate.translate_command)


def _show_version(is_given: bool) -> None:
    if is_given:
        print(f"unrolled {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From ordered data to a recurrent network, and an honest account of what it is worth.

    \b
    unrolled describe sales.csv                        what is this series?
    unrolled forecast sales.csv --horizon 12           what comes next?
    unrolled backtest sales.csv --horizon 12           could that be trusted in the past?
    unrolled forecast example:sp500 --report sp500.html
    unrolled classify train.csv --test test.csv        which kind is a sequence?
    unrolled tag train.conllu --test test.conllu       which tag has each word?
    unrolled transcribe speech.csv --save MODEL        what is said there?
    unrolled translate pairs.csv --save MODEL          what is that in the other language?
    unrolled generate book.txt --save MODEL            what does a text go on like?
    unrolled probe MODEL test.csv                      what does the network remember?
    unrolled serve MODEL                               live streams for many clients

    FILE is a CSV of any dialect (.gz too), a Parquet file, or an example's name.
    """  # noqa: D301 (\b keeps the lines apart)
    del version


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and leave with its status.

    0: done. 1: stdout was closed before the end of the output. 2: a usage or data error, which a
    sentence on stderr describes. 130: interrupted. The first Ctrl-C lets a
    training end at its next step, the second ends the program there and then.

    Args:
        arguments: the words after the program's name; None for those it was started with.
    """
    prepare_streams()
    # importing torch and pandas makes a million objects that stay: at Python's own pace, a sixth of a start
    # is garbage collections that find nothing
    collected_after = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # a job in a shell's background is not stopped by Ctrl-C
        signal.signal(signal.SIGINT, _end_the_training)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warnings_as_notes()
            status = _run(arguments)
    except BrokenPipeError:
        # stdout is closed; the interpreter must not complain when it flushes at its end
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (closed by the end)
        status = 1
    finally:
        signal.signal(signal.SIGINT, before)
        gc.set_threshold(*collected_after)
        use_options({})
    sys.exit(status)


def _run(arguments: list[str] | None) -> int:
    typed = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            # not standalone, where the parser prints its own three lines
            status = app(args=arguments, prog_name="unrolled", standalone_mode=False)
        finally:
            sys.stdout.flush()  # here, where an error can still be reported
    except _UsageError as fault:
        return _refuse(usage_sentence(fault, typed))
    except UnrolledError as fault:
        return _refuse(in_shell_words(with_option_names(str(fault), typed)))
    except OSError as fault:
        if fault.errno not in _UNWRITABLE:
            raise
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (closed by the end)
        reason = f"{_UNWRITABLE[fault.errno]}({fault.strerror})"
        way_out = "Free some space." if "full" in reason else "Send it elsewhere."
        return _refuse(f"stdout: cannot be written, {reason}. {way_out}")
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except SystemExit as end:
        status = int(end.code or 0)
    if status == _INTERRUPTED:
        print("Stopped.", file=sys.stderr)
    return int(status or 0)


def _warnings_as_notes() -> Any:
    """Make a function that prints each warning once, as a note in terms of the options."""
    printed = set[str]()

    def show(message: Warning | str, *place: Any) -> None:
        del place
        if str(message) not in printed:
            from unrolled.cli.output import print_note

            printed.add(str(message))
            print_note(str(message))

    return show


def _refuse(sentence: str) -> int:
    print(printable(sentence), file=sys.stderr)
    return _REFUSED


def _end_the_training(number: int, frame: FrameType | None) -> None:
    """Interrupt a training, which keeps its best weights; the next Ctrl-C ends the program."""
    del number, frame
    signal.signal(signal.SIGINT, _end_the_program)
    raise KeyboardInterrupt


def _end_the_program(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(_INTERRUPTED)

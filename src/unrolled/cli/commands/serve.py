"""`unrolled serve`: a saved model as live streams for many clients."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import OptionGroup, option_groups
from unrolled.errors import ArgumentError, MissingDependencyError
from unrolled.formatting import with_article
from unrolled.validation import check_choice, check_int

if TYPE_CHECKING:
    from unrolled.stream.server.settings import ServerSettings
    from unrolled.stream.store.row import Store

_DURABILITIES = ("power", "process")
_ON_NEW_MODEL = ("refuse", "restart")
_CAPACITY = 16_384  # states in memory
_TAKEN_BY = {"likeliest": "LanguageModel", "threshold": "AudioClassifier", "ignore": "AudioClassifier"}
_RISK = "--durability process: a loss of power may take the last acknowledged messages; a kill takes none"

Folder = Annotated[
    str, typer.Argument(metavar="MODEL", show_default=False, help="Folder of a model saved by --save.")
]
StorePlace = Annotated[
    str, typer.Option("--store", metavar="FILE", help="File of SQLite, or redis://host:port/0.")
]
Durability = Annotated[
    str,
    typer.Option(
        "--durability", metavar="WHAT", help="An answer survives: power, a loss of it; process, a kill."
    ),
]
OnNewModel = Annotated[
    str,
    typer.Option(
        "--on-new-model", metavar="HOW", help="States of another model: refuse, or restart from zero."
    ),
]
MaxStreams = Annotated[
    int | None, typer.Option("--max-streams", metavar="STREAMS", help="Streams at most; no limit by default.")
]
Workers = Annotated[
    int, typer.Option("--workers", metavar="P", help="Processes, each with its own port and file.")
]
Worker = Annotated[int | None, typer.Option("--worker", hidden=True)]


@dataclass(frozen=True)
class ServerOptions(OptionGroup):
    """Options on who may come in and how much: arguments of `ServerSettings`."""

    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen at; 127.0.0.1 by default.")
    ] = None
    port: Annotated[
        int | None,
        typer.Option("--port", help="8000 by default; workers take the next ones too; 0: a free one."),
    ] = None
    token_file: Annotated[
        str | None,
        typer.Option("--token-file", metavar="FILE", help="File whose first line clients must send."),
    ] = None
    allowed_hosts: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Name that requests may call it; repeat for more."),
    ] = None
    allowed_origins: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin", metavar="URL", help="Other web page that may use it; repeat for more."
        ),
    ] = None
    max_rate: Annotated[
        float | None,
        typer.Option("--max-rate", metavar="MESSAGES", help="A second, of one address; no limit by default."),
    ] = None
    idle_s: Annotated[
        int | None,
        typer.Option("--idle", metavar="SECONDS", help="After which a stream without a message is deleted."),
    ] = None

    def settings(self, **changes: Any) -> ServerSettings:
        """Make the settings of a server.

        Raises:
            ArgumentError: one of the options is out of its range, or the token cannot be read.
        """
        from unrolled.stream.server.settings import ServerSettings, read_token

        given = self.given()
        if token_file := given.pop("token_file", None):
            given["token"] = read_token(token_file)
        return ServerSettings(**given | changes)


@dataclass(frozen=True)
class StreamOptions(OptionGroup):
    """Options of all streams of one kind of model: arguments of `model.stream`."""

    start: Annotated[
        str | None,
        typer.Option("--start", metavar="TIME", help="Of the first value of streams that do not say theirs."),
    ] = None
    series: Annotated[
        str | None, typer.Option("--series", metavar="ID", help="Fitted series whose scale the streams have.")
    ] = None
    is_carried: Annotated[
        bool, typer.Option("--carried", help="Carry the state on, rather than read the latest window anew.")
    ] = False
    adaptive: Annotated[
        bool, typer.Option("--adaptive", help="Keep the bands at their coverage as values come.")
    ] = False
    likeliest: Annotated[
        int | None,
        typer.Option(
            "--likeliest", metavar="TOKENS", help="In an answer of a language model; 10 by default."
        ),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="P", help="Least probability of a sound that is recognised."),
    ] = None
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="CLASS", help="Of sound, never recognised; repeat for more."),
    ] = None

    def arguments(self, model: Any) -> dict[str, Any]:
        """Return the arguments of `model.stream`.

        Raises:
            ArgumentError: models of this kind have no such option.
        """
        given, kind = self.given(), type(model).__name__
        takers = [_TAKEN_BY.get(name, "Forecaster") for name in given]
        if wrong := [taker for taker in takers if taker != kind]:
            names = [
                name for name, taker in zip(self.option_names(), takers, strict=True) if taker == wrong[0]
            ]
            raise ArgumentError(
                f"{', '.join(names)}: expected {with_article(wrong[0])}, got {with_article(kind)}, whose "
                "streams have no such option. Leave it out."
            )
        if given.pop("is_carried", False):
            given["window"] = False
        if "likeliest" in given:
            check_int("likeliest", given["likeliest"], least=1)
        if "ignore" in given:
            labels = {str(label): label for label in model.classes_.tolist()}
            given["ignore"] = [labels.get(name, name) for name in given["ignore"]]
        return given


@option_groups
def serve_command(
    model: Folder,
    *,
    store: StorePlace = "streams.db",
    durability: Durability = "power",
    on_new_model: OnNewModel = "refuse",
    max_streams: MaxStreams = None,
    workers: Workers = 1,
    worker: Worker = None,
    options: ServerOptions,
    stream_options: StreamOptions,
) -> None:
    """Serve a saved model as live streams: each event counts once, whatever breaks.

    State and answer of a message are stored before it is answered, so a kill loses nothing that was
    answered. Clients: `unrolled.stream.connect`, a WebSocket at /streams, or POST /streams/NAME/steps.

    \b
    Examples:
      unrolled serve model
      unrolled serve model --store pumps.db --port 9000 --idle 86400
      unrolled serve model --host 0.0.0.0 --token-file token --allow-host pumps.example.org
      unrolled serve model --store redis://localhost:6379/0
      unrolled serve sales --start 2026-01-01 --adaptive
      unrolled serve commands --threshold 0.9 --ignore silence
    """  # noqa: D301 (\b keeps the lines apart)
    check_choice("durability", durability, _DURABILITIES)
    check_choice("on_new_model", on_new_model, _ON_NEW_MODEL)
    check_int("workers", workers, least=1, most=64)
    require_packages()
    settings = options.settings()
    if workers > 1 and worker is None:
        _supervise(workers, settings)
        return
    place = _Place(store, durability, on_new_model, worker or 1, workers)
    settings = options.settings(port=settings.port + place.worker - 1)
    _serve(model, place, settings, max_streams, stream_options)


@dataclass(frozen=True)
class _Place:
    """Place of the streams of a worker."""

    store: str
    durability: str
    on_new_model: str
    worker: int
    workers: int

    def open(self, model: str) -> Store:
        """Open the store of this worker for a model of that hash."""
        from pathlib import Path

        choice: Any = {"model": model, "on_new_model": self.on_new_model}
        durability: Any = self.durability  # checked
        if "://" in self.store:
            from unrolled.stream.store.redis import RedisStore

            return RedisStore(self.store, **choice)
        from unrolled.stream.store.sqlite import SQLiteStore

        path = Path(self.store)
        if self.workers > 1:
            path = path.with_name(f"{path.stem}-{self.worker}{path.suffix}")
        partition = f"{self.worker} of {self.workers}"
        return SQLiteStore(path, durability=durability, partition=partition, **choice)


def require_packages() -> None:
    """Pass if what a server is made of is installed.

    Raises:
        MissingDependencyError: it is not; with the command that installs it.
    """
    from importlib.util import find_spec

    missing = [
        name for name in ("fastapi", "uvicorn", "uvloop", "websockets", "msgspec") if not find_spec(name)
    ]
    if missing:
        raise MissingDependencyError(f"A server needs {', '.join(missing)}: pip install 'unrolled[serve]'")


def _serve(
    folder: str,
    place: _Place,
    settings: ServerSettings,
    max_streams: int | None,
    stream_options: StreamOptions,
) -> None:
    """Load the model, open the store and serve until a signal."""
    from unrolled.cli.output import print_note
    from unrolled.models.streaming.snapshots import model_hash
    from unrolled.stream.served_model import serve_model
    from unrolled.stream.server.core import Core
    from unrolled.stream.server.run import run_server
    from unrolled.stream.server.wire import encode_answers
    from unrolled.stream.session import Session
    from unrolled.stream.workers import other_worker, stays_here

    model = _load_model(folder)
    arguments, digest = stream_options.arguments(model), model_hash(model)
    served = serve_model(model, _CAPACITY, digest=digest, **arguments)
    store = place.open(_store_hash(digest, arguments))
    session = Session(
        served.streams,
        store,
        max_streams=max_streams,
        read=served.read,
        encode=encode_answers,
        begin=served.begin,
    )
    if place.durability == "process" and "://" not in place.store:
        print_note(_RISK)
    if getattr(store, "restarted", False):
        print_note(
            f"{place.store} was another model's: {len(store)} streams keep their numbers and begin anew"
        )
    facts = served.tracer.facts() | {"model": digest}
    core = Core(session, settings, facts, served.tracer, served.generator)
    moved = stays_here if store.is_shared else other_worker(settings, place.worker, place.workers)
    run_server(
        core, moved=moved, on_ready=lambda address: print(f"serving {folder} at {address}", flush=True)
    )


def _store_hash(digest: str, arguments: Mapping[str, Any]) -> str:
    """Compute the hash by which a store knows whose states it holds: of the model and how it is streamed."""
    from hashlib import sha256

    text = json.dumps([digest, arguments], sort_keys=True)
    return sha256(text.encode()).hexdigest() if arguments else digest


def _load_model(folder: str) -> Any:
    """Load a saved model of any kind that has streams."""
    from unrolled.models.audio.classifier import AudioClassifier
    from unrolled.models.audio.transcription.transcriber import Transcriber
    from unrolled.models.forecasting.forecaster import Forecaster
    from unrolled.models.persistence import load_one_of
    from unrolled.models.sequence.classifier import SequenceClassifier
    from unrolled.models.sequence.regressor import SequenceRegressor
    from unrolled.models.sequence.tagger import SequenceTagger
    from unrolled.models.text.classifier import TextClassifier
    from unrolled.models.text.language.language_model import LanguageModel
    from unrolled.models.text.tagger import TextTagger

    of_values = (SequenceClassifier, SequenceRegressor, SequenceTagger, Forecaster)
    of_text = (TextClassifier, TextTagger, LanguageModel)
    return load_one_of(folder, (*of_values, *of_text, AudioClassifier, Transcriber))


def _supervise(workers: int, settings: ServerSettings) -> None:
    """Start a process a worker, with the words of this command."""
    from unrolled.stream.server.settings import ANY_ADDRESS
    from unrolled.stream.workers import run_workers

    if settings.public_host in ANY_ADDRESS:
        raise ArgumentError(
            f"host: clients cannot be sent from one worker to another at {settings.host}. Say what this "
            "machine is called with --allow-host."
        )
    if settings.port == 0:
        raise ArgumentError("port: expected a port for the first of several workers, got 0. Name one.")
    words = [sys.executable, "-m", "unrolled.cli", *sys.argv[1:]]
    if status := run_workers([[*words, "--worker", str(k)] for k in range(1, workers + 1)]):
        raise typer.Exit(status)

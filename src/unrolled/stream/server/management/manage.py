"""Routes to create, list, save, restore and delete streams, for health and for metrics; and their OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from unrolled import __version__
from unrolled.errors import StoreError, StreamError
from unrolled.stream.server.core import Core
from unrolled.stream.server.management.generate import add_generation
from unrolled.stream.server.management.openapi import describe_steps
from unrolled.stream.server.steps import RequestError, read_body
from unrolled.stream.server.wire import STATUS, encode_error
from unrolled.stream.session import Saved

_PLAIN_CODES = {404: "not_found", 405: "not_allowed"}
_LAST = "Unrolled-Last"  # header: number of the last event in a snapshot

StreamName = Annotated[str, Path(min_length=1, max_length=128, description="Name of the stream.")]
LastNumber = Annotated[int, Query(ge=0, le=2**53, description="Number of the last event in it.")]


class StreamRecord(BaseModel):
    """A stream and the number of its last event."""

    stream: str
    last: int


class StreamList(BaseModel):
    """Names of streams in order, and what the store holds in all."""

    streams: list[str]
    count: int
    bytes: int


class Health(BaseModel):
    """Health of the server."""

    status: str


class ErrorRecord(BaseModel):
    """A fault: `error` is stable, `message` is for people."""

    error: str
    message: str
    stream: str | None = None
    want: int | None = None
    last: int | None = None


_FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorRecord} for status in sorted(set(STATUS.values()))
}


def management_app(core: Core) -> FastAPI:
    """Make the application of everything but steps."""
    app = FastAPI(title="unrolled streams", version=__version__, docs_url=None, redoc_url=None)
    _add_streams(app, core)
    _add_snapshots(app, core)
    _add_health(app, core)
    if core.generator is not None:
        add_generation(app, core, core.generator, _FAULTS)
    _add_error_records(app)
    describe_steps(app, core.model)
    return app


def _add_streams(app: FastAPI, core: Core) -> None:
    session, call = core.session, core.batcher.call

    @app.get("/streams", responses=_FAULTS)
    async def list_streams(
        after: Annotated[str, Query(max_length=128)] = "", limit: Annotated[int, Query(ge=1, le=1000)] = 1000
    ) -> StreamList:
        """List streams in the order of their names, from after a name on."""
        names = await call(session.names, _text(after), most=limit)
        sizes = await call(session.sizes)
        return StreamList(streams=names, count=sizes.streams, bytes=sizes.bytes)

    @app.get("/streams/{stream}", responses=_FAULTS)
    async def read_stream(stream: StreamName) -> StreamRecord:
        """Return the number of a stream's last event."""
        last = await call(session.last, stream)
        return StreamRecord(stream=stream, last=_found(stream, last))

    @app.put("/streams/{stream}", responses=_FAULTS)
    async def create_stream(stream: StreamName) -> StreamRecord:
        """Make a stream, if there is none; a first message would make it too."""
        last = await call(session.create, stream, now=core.now())
        return StreamRecord(stream=stream, last=last)

    @app.delete("/streams/{stream}", status_code=204, responses=_FAULTS)
    async def delete_stream(stream: StreamName) -> None:
        """Remove a stream; one of the same name begins anew."""
        _found(stream, await call(session.delete, stream) or None)


def _add_snapshots(app: FastAPI, core: Core) -> None:
    session, call = core.session, core.batcher.call
    binary = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    @app.get("/streams/{stream}/snapshot", responses=_FAULTS | {200: binary}, response_class=Response)
    async def save_stream(stream: StreamName) -> Response:
        """Return the state of a stream; the header Unrolled-Last has the number of its last event."""
        saved = _found(stream, await call(session.snapshot, stream))
        return Response(saved.blob, media_type="application/octet-stream", headers={_LAST: str(saved.last)})

    @app.put(
        "/streams/{stream}/snapshot",
        responses=_FAULTS,
        openapi_extra={"requestBody": binary},
    )
    async def restore_stream(stream: StreamName, last: LastNumber, request: Request) -> StreamRecord:
        """Give a stream the state and the number of a snapshot; without a body, the zero state."""
        blob = await read_body(request.scope, request.receive, core.settings.max_body)
        await call(session.restore, stream, Saved(last, blob), now=core.now())
        return StreamRecord(stream=stream, last=last)


def _add_health(app: FastAPI, core: Core) -> None:
    @app.get("/healthz")
    async def health() -> Health:
        """Tell that the process runs."""
        return Health(status="ok")

    @app.get("/readyz", responses=_FAULTS)
    async def readiness() -> Health:
        """Tell whether it takes messages."""
        if core.is_draining:
            raise RequestError("The server is stopping.", "draining")
        await core.batcher.call(core.session.sizes)
        return Health(status="ready")

    @app.get("/model", responses=_FAULTS)
    async def model() -> dict[str, Any]:
        """Describe the model whose states these are."""
        return core.model

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counters in the text format of Prometheus."""
        sizes = await core.batcher.call(core.session.sizes)
        gauges = {"unrolled_streams": sizes.streams, "unrolled_store_bytes": sizes.bytes}
        return Response(core.metrics.text(gauges), media_type="text/plain; version=0.0.4")


def _found(stream: str, value: Any) -> Any:
    if value is None:
        raise RequestError(
            f"There is no stream {stream!r}: its first message, number 1, makes it.", "unknown_stream"
        )
    return value


def _text(value: str) -> str:
    """Return a text of a query, which may hold half a character."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _add_error_records(app: FastAPI) -> None:
    """Let every fault be a record with a code."""

    def record(code: str, sentence: str, status: int | None = None) -> Response:
        status = STATUS.get(code, 500) if status is None else status
        return Response(encode_error(code, sentence), status, media_type="application/json")

    @app.exception_handler(StreamError)
    @app.exception_handler(StoreError)
    @app.exception_handler(RequestError)
    async def ours(_: Request, fault: Any) -> Response:
        return record(fault.code, str(fault))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, fault: RequestValidationError) -> Response:
        faults = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in fault.errors())
        return record("bad_message", f"{faults}.")

    @app.exception_handler(StarletteHTTPException)
    @app.exception_handler(HTTPException)
    async def plain(request: Request, fault: StarletteHTTPException) -> Response:
        code = _PLAIN_CODES.get(fault.status_code, "bad_message")
        response = record(code, f"{fault.detail}.", fault.status_code)
        if code == "not_allowed":
            response.headers["Allow"] = ", ".join(_allowed_methods(app, request))
        return response

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> Response:
        return record("internal", "The server failed on this request; its log says why.")


def _allowed_methods(app: FastAPI, request: Request) -> list[str]:
    """List the methods of all routes with the path of a request."""
    matching = (route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in matching for method in getattr(route, "methods", None) or ()})

"""Route that writes on from the state of a stream of a language model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unrolled.stream.server.core import Core
from unrolled.stream.server.steps import RequestError, read_body
from unrolled.stream.serving.generation import MOST_TOKENS

_MOST_TEXTS = 2  # at a time


class GenerateBody(BaseModel):
    """Settings by which tokens are drawn.

    Args:
        n: tokens at most.
        temperature: below 1 the likely becomes likelier.
        top_k: draw from so many of the likeliest.
        top_p: draw from the fewest likeliest whose probabilities sum to this.
        seed: of the draws; null for new ones each time.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    n: int = Field(200, ge=1, le=MOST_TOKENS)
    temperature: float = Field(1.0, gt=0, le=1e6)
    top_k: int | None = Field(None, ge=1, le=2**31)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**31)


class Written(BaseModel):
    """Text written after event `last`; x is what is sent next, so that the stream reads it."""

    stream: str
    last: int
    text: str
    x: list[int]


def add_generation(
    app: FastAPI, core: Core, generator: Callable[..., dict[str, Any]], faults: Mapping[int | str, Any]
) -> None:
    """Add POST /streams/{stream}/generate.

    Args:
        app: of management.
        core: whose session has the states.
        generator: writes on from a snapshot.
        faults: responses of every route.
    """
    may_write = asyncio.Semaphore(_MOST_TEXTS)

    schema = {"content": {"application/json": {"schema": GenerateBody.model_json_schema()}}}

    @app.post("/streams/{stream}/generate", responses=dict(faults), openapi_extra={"requestBody": schema})
    async def generate(
        stream: Annotated[str, Path(min_length=1, max_length=128, description="Name of the stream.")],
        request: Request,
    ) -> Written:
        """Write on from where a stream is, which does not move; a new stream writes from the beginning."""
        content = await read_body(request.scope, request.receive, core.settings.max_body)
        try:
            body = GenerateBody.model_validate_json(content or b"{}")
        except ValidationError as fault:
            raise RequestError(_sentence_of(fault), "bad_message") from fault
        saved = await core.batcher.call(core.session.snapshot, stream)
        last, blob = (0, b"") if saved is None else (saved.last, saved.blob)
        settings = body.model_dump(exclude={"n", "seed"}) | {"random_state": body.seed}
        async with may_write:  # beside the batches: it uses no state of theirs
            written = await asyncio.to_thread(generator, blob, body.n, **settings)
        return Written(stream=stream, last=last, **written)


def _sentence_of(fault: ValidationError) -> str:
    """Say what is wrong with a body."""
    faults = ((".".join(map(str, each["loc"])), each["msg"]) for each in fault.errors(include_url=False))
    return "; ".join(f"{name}: {words}" if name else words for name, words in faults) + "."

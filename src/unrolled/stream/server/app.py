"""ASGI application of a server: the guard, the two routes of steps, the page, and the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.routing import Route, Router, WebSocketRoute

from unrolled.stream.server.core import Core
from unrolled.stream.server.guard import App, Guard
from unrolled.stream.server.management.manage import management_app
from unrolled.stream.server.page_routes import PAGE_PATHS, page_routes
from unrolled.stream.server.steps import StepsRoute
from unrolled.stream.server.websocket import StepsSocket
from unrolled.stream.workers import stays_here


def streams_app(core: Core, moved: Callable[[str], str | None] = stays_here) -> App:
    """Make the application of a server; it starts and stops the core with its lifespan.

    Args:
        core: session and settings.
        moved: the address, such as http://127.0.0.1:8001, of the worker that has a stream; None where it is
            this one.
    """

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        core.start()
        yield
        await core.stop()

    router = Router(
        [
            WebSocketRoute("/streams", StepsSocket(core, moved)),
            Route("/streams/{stream}/steps", StepsRoute(core, moved)),
            *page_routes(core),
        ],
        default=management_app(core),  # a mount's pattern ends at a line break in a name
        lifespan=lifespan,
    )
    return Guard(router, core.settings, core.rate, PAGE_PATHS)

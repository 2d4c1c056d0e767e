"""`python -m app.worker`: delivers alerts and runs the nights. WORKER_PORT has its health and metrics."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.container import connect
from app.container_outside import utc_now
from app.core.errors import StoreUnavailableError
from app.meters import NightMetrics
from app.services.context import Services
from app.services.working import LOOPS, Work
from app.settings import Listen, Settings, SettingsError
from app.storage.locks import listening
from app.tracing import configure

GRACE_SECONDS = 3
Connect = Callable[[Settings], AbstractAsyncContextManager[Services]]


def work_of(services: Services) -> Work:
    """What the loops need, out of the services."""
    settings = services.settings
    return Work(
        tenants=services.tenants,
        jobs=services.jobs,
        alerts=services.alerts,
        deliveries=services.deliveries,
        mutex=services.mutex,
        night=lambda: services.night(utc_now().date()),
        listen=lambda ruled: listening(settings.database_url, ruled),
        clock=utc_now,
        alert_interval=settings.outside.alert_interval,
        nights=NightMetrics(services.registry),
    )


def create_worker(settings: Settings, died: Callable[[], None], connect_to: Connect = connect) -> Starlette:
    """Health and metrics as an ASGI application; the loops live as long as it. `died` is called when one ends."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with connect_to(settings) as services:
            app.state.services = services
            work = work_of(services)
            tasks = [asyncio.create_task(loop(work), name=loop.__name__) for loop in LOOPS]
            app.state.tasks = tasks
            for task in tasks:
                task.add_done_callback(lambda done: None if done.cancelled() else died())
            yield
            for task in tasks:
                task.cancel()
            app.state.ends = await asyncio.gather(*tasks, return_exceptions=True)

    async def ready(request: Request) -> Response:
        broken = [task.get_name() for task in request.app.state.tasks if task.done()]
        try:
            await request.app.state.services.database.ping()
        except StoreUnavailableError:
            return JSONResponse({"status": "not ready", "database": "down"}, 503)
        body = {"status": "broken" if broken else "ready", "version": settings.git_sha, "broken": broken}
        return JSONResponse(body, 503 if broken else 200)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(request.app.state.services.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(lifespan=lifespan, routes=[Route("/health/ready", ready), Route("/metrics", metrics)])


async def serve(settings: Settings, listen: Listen) -> int:
    """Work until told to stop; 1 when a loop ended, with its reason on stderr."""
    server: uvicorn.Server | None = None

    def died() -> None:
        if server is not None:
            server.should_exit = True

    app = create_worker(settings, died)
    server = uvicorn.Server(
        uvicorn.Config(
            app, host=listen.host, port=listen.port, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS
        )
    )
    await server.serve()
    ends = [end for end in getattr(app.state, "ends", []) if not isinstance(end, asyncio.CancelledError)]
    for end in ends:
        print(f"error: the worker's loop ended: {end!r}", file=sys.stderr)
    return 1 if ends else 0


def main(env: Mapping[str, str] | None = None) -> int:
    """0 stopped, 1 a loop broke, 2 wrong environment."""
    env = os.environ if env is None else env
    try:
        settings = Settings.from_env(env)
        listen = Listen.from_env({**env, "PORT": env.get("WORKER_PORT", "")})
        stop_tracing = configure(settings, "worker")
    except SettingsError as error:
        print(f"error: {str(error).replace('PORT', 'WORKER_PORT')}", file=sys.stderr)
        return 2
    try:
        return asyncio.run(serve(settings, listen))
    finally:
        stop_tracing()


if __name__ == "__main__":
    sys.exit(main())

"""`python -m app.worker`: delivers alerts and runs the nightly jobs; serves its health and metrics on WORKER_PORT."""

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
from app.container_clients import utc_now
from app.core.errors import StoreUnavailableError
from app.metrics import NightMetrics
from app.services.context import Services
from app.services.worker_loops import LOOPS, WorkerContext
from app.settings import Listen, Settings, SettingsError
from app.storage.locks import listen_for_messages
from app.tracing import configure

GRACE_SECONDS = 3
Connect = Callable[[Settings], AbstractAsyncContextManager[Services]]


def worker_context(services: Services) -> WorkerContext:
    """The part of the services that the loops use."""
    settings = services.settings
    return WorkerContext(
        tenants=services.tenants,
        jobs=services.jobs,
        alerts=services.alerts,
        deliveries=services.deliveries,
        mutex=services.mutex,
        night=services.night,
        listen=lambda rule_added: listen_for_messages(settings.database_url, rule_added),
        clock=utc_now,
        alert_interval=settings.clients.alert_interval,
        nights=NightMetrics(services.registry),
    )


def create_worker(settings: Settings, loop_ended: Callable[[], None], connect: Connect) -> Starlette:
    """Health and metrics as an ASGI application; the loops run for its lifetime.

    `loop_ended` is called when a loop ends by itself. That is a defect, and the process must end.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with connect(settings) as services:
            app.state.services = services
            context = worker_context(services)
            tasks = [asyncio.create_task(loop(context), name=loop.__name__) for loop in LOOPS]
            app.state.tasks = tasks
            for task in tasks:
                task.add_done_callback(lambda done: None if done.cancelled() else loop_ended())
            yield
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            app.state.ends = {task.get_name(): end for task, end in zip(tasks, ends, strict=True)}

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
    """Run until stopped; 1 when a loop ended, with its reason on stderr."""
    server: uvicorn.Server | None = None

    def stop() -> None:
        if server is not None:
            server.should_exit = True

    app = create_worker(settings, stop, connect)
    server = uvicorn.Server(
        uvicorn.Config(
            app, host=listen.host, port=listen.port, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS
        )
    )
    await server.serve()
    ends: dict[str, object] = getattr(app.state, "ends", {})
    failed = {name: end for name, end in ends.items() if not isinstance(end, asyncio.CancelledError)}
    for name, end in failed.items():
        print(f"error: the worker's loop {name} ended: {end!r}", file=sys.stderr)
    return 1 if failed else 0


def main(env: Mapping[str, str] | None = None) -> int:
    """The exit code: 0 stopped, 1 a loop ended, 2 wrong environment."""
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

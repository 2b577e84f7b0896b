"""The server around the application: uvicorn on one address."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from stance.records import StanceError, Topic
from stance.serve import Options
from stance.serve.app import create_app, raise_failure

if TYPE_CHECKING:
    from stance.tagger import Tagger

STOPPING_SECONDS = 10  # requests under way get so long to end


class Server(uvicorn.Server):
    """Tells where it listens once it does: of port 0, which one the system chose."""

    announce: Callable[[int], None]

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.announce(self.servers[0].sockets[0].getsockname()[1])


def run_server(
    load: Callable[[], Tagger], topic: Topic, options: Options, place: tuple[str, int], announce: Callable[[int], None]
) -> None:
    """Serve at the place (host, port) until a signal comes. StanceError where it cannot listen or load the tagger.

    ``announce`` hears the port.
    """
    app, service = create_app(load, topic, options)
    config = uvicorn.Config(
        app,
        host=place[0],
        port=place[1],
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOPPING_SECONDS,
        lifespan="on",
    )
    server = Server(config)
    server.announce = announce

    def stop() -> None:
        server.should_exit = True

    service.failed = stop
    try:
        with suppress(KeyboardInterrupt):  # raised once more by uvicorn after it has stopped
            server.run()
    except SystemExit as error:  # uvicorn's way to say that it cannot bind; it has logged why
        raise StanceError(f"{place[0]}:{place[1]}: cannot listen there. Name another --port or --host.") from error
    raise_failure(service)

"""The smallest Flask application on waitress, which only echoes: `python -m tests.bench.echo THREADS`."""

import socket
import sys
from typing import Any

from flask import Flask, Response, request
from waitress.server import create_server

from tests.bench.machine import hand_over


def main(threads: int) -> None:
    app = Flask("echo")

    @app.post("/hooks/<point>")
    def echo(point: str) -> Response:
        return Response(request.get_data(), content_type="application/json")

    listening = socket.create_server(("127.0.0.1", 0))
    server: Any = create_server(app, sockets=[listening], threads=threads)
    hand_over(url=f"http://127.0.0.1:{listening.getsockname()[1]}")
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))

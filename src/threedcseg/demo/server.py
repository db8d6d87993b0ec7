"""The demo on a socket, until it is stopped."""

import ipaddress
import os
import secrets
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import torch
import uvicorn

from threedcseg.atomic import scratch_folder
from threedcseg.demo.app import create_app
from threedcseg.demo.connections import Connection
from threedcseg.demo.jobs import Jobs
from threedcseg.demo.uploads import Limits
from threedcseg.errors import InputError
from threedcseg.inference.on_device import device_of
from threedcseg.inference.predictor import Network
from threedcseg.inference.settings import Settings

PREFIX = "3dcseg-demo-"
"""How the folder of a server's videos begins, among the system's temporary ones."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; `InputError` where there can be none."""
    if not 0 <= port < 65536:
        raise InputError(f"--port {port} is out of range", "give 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot serve at {host}, port {port} ({reason})", "give another --port or --host"
        ) from None


def serve(
    network: Network,
    model: str,
    settings: Settings,
    limits: Limits,
    listening: socket.socket,
    host: str,
) -> None:
    """Serve the page until SIGINT or SIGTERM, then delete all there was of other people's.

    Where others reach it, they need the token that is printed with the address; where only this
    machine does, it lets its user name files that lie here (`create_app`). Ends the process
    where a network is still at work on a clip, which nobody waits for.
    """
    about = {"model": model, "device": in_words(device_of(network))}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    token = secrets.token_urlsafe(16)
    with scratch_folder(Path(tempfile.gettempdir()), PREFIX) as folder:
        jobs = Jobs(network, folder, limits, settings)
        app = create_app(
            jobs,
            about,
            host=host,
            token=token,
            local=is_local(listening),
            sample=find_sample(),
            is_stopping=lambda: server.should_exit,
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                log_level="warning",
                access_log=False,
                server_header=False,
            )
        )
        print(f"{model} on {about['device']}", flush=True)
        print(f"open {address(host, listening, token)} (Ctrl-C stops)", flush=True)
        with suppress(KeyboardInterrupt):  # uvicorn has stopped in order and hands the signal on
            server.run(sockets=[listening])
    print("stopped; all videos are deleted", flush=True)
    if jobs.is_working:
        sys.stderr.flush()
        os._exit(0)


def is_local(listening: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def address(host: str, listening: socket.socket, token: str | None = None) -> str:
    """What to type into a browser, and who else may."""
    port = listening.getsockname()[1]
    end = f":{port}/" + (f"?token={token}" if token else "")
    if host in ("", "0.0.0.0", "::"):
        return (
            f"http://127.0.0.1{end} or, from any other machine that reaches this one, "
            f"http://{socket.gethostname()}{end}"
        )
    return f"http://{f'[{host}]' if ':' in host else host}{end}"


def find_sample() -> Path | None:
    """The example of a checkout; None in an installed package."""
    path = Path(__file__).parents[3] / "examples" / "dog.mp4"
    return path if path.is_file() else None


def in_words(device: torch.device) -> str:
    """A device as people call it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        count = torch.get_num_threads()
        return f"CPU, {count} thread{'s' if count > 1 else ''}"
    return device.type.upper()

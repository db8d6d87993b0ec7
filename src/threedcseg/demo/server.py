"""The demo on a socket, until it is stopped."""

import socket
from contextlib import suppress
from pathlib import Path

import torch
import uvicorn

from threedcseg.demo.app import create_app
from threedcseg.demo.jobs import Jobs
from threedcseg.demo.storage import private_folder
from threedcseg.demo.uploads import Limits
from threedcseg.errors import InputError
from threedcseg.inference.predictor import Network
from threedcseg.inference.settings import Settings


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
    """Serve the page until SIGINT or SIGTERM, then delete all there was of other people's."""
    about = {"model": model, "device": device_of(network)}
    with private_folder() as folder:
        app = create_app(
            Jobs(network, folder, limits, settings),
            about,
            host=host,
            sample=find_sample(),
            is_stopping=lambda: server.should_exit,
        )
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        )
        print(f"{model} on {about['device']}", flush=True)
        print(f"open {address(host, listening)} (Ctrl-C stops)", flush=True)
        with suppress(KeyboardInterrupt):  # uvicorn has stopped in order and hands the signal on
            server.run(sockets=[listening])
    print("stopped; all videos are deleted")


def address(host: str, listening: socket.socket) -> str:
    """What to type into a browser, and who else may."""
    port = listening.getsockname()[1]
    if host in ("", "0.0.0.0", "::"):
        return (
            f"http://127.0.0.1:{port}/ or, from any other machine that reaches this one, "
            f"http://{socket.gethostname()}:{port}/"
        )
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def find_sample() -> Path | None:
    """The example of a checkout; None in an installed package."""
    path = Path(__file__).parents[3] / "examples" / "dog.mp4"
    return path if path.is_file() else None


def device_of(network: Network) -> str:
    """In words, for people; exported networks run on the CPU."""
    device = torch.device("cpu")
    if isinstance(network, torch.nn.Module):
        device = next(network.parameters()).device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        count = torch.get_num_threads()
        return f"CPU, {count} thread{'s' if count > 1 else ''}"
    return device.type.upper()

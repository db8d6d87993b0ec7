"""The demo on a socket, until it is stopped."""

import socket
import tempfile
from pathlib import Path

import torch
import uvicorn
from torch import nn

from threedcseg.demo.app import create_app
from threedcseg.demo.jobs import Jobs
from threedcseg.demo.uploads import Limits
from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; `InputError` where there can be none."""
    if not 0 <= port < 65536:
        raise InputError(f"--port {port} is out of range: give 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot serve at {host}, port {port} ({reason}): give another --port or --host"
        ) from None


def serve(
    network: nn.Module,
    model: str,
    settings: Settings,
    limits: Limits,
    listening: socket.socket,
    host: str,
) -> None:
    """Serve the page until SIGINT or SIGTERM, then delete all there was of other people's."""
    folder = Path(tempfile.mkdtemp(prefix="3dcseg-demo-"))  # mode 700
    jobs = Jobs(network, folder, limits, settings)
    about = {"model": model, "device": device_name(next(network.parameters()).device)}
    app = create_app(
        jobs, about, host=host, sample=find_sample(), is_stopping=lambda: server.should_exit
    )
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    )
    name = f"[{host}]" if ":" in host else host
    print(f"{model} on {about['device']}", flush=True)
    print(f"open http://{name}:{listening.getsockname()[1]}/ (Ctrl-C stops)", flush=True)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn has stopped in order and hands the signal on
        print("stopped; all videos are deleted")
    finally:
        jobs.close()


def find_sample() -> Path | None:
    """The example of a checkout; None in an installed package."""
    path = Path(__file__).parents[3] / "examples" / "dog.mp4"
    return path if path.is_file() else None


def device_name(device: torch.device) -> str:
    """In words, for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU ({torch.get_num_threads()} threads)"
    return device.type.upper()

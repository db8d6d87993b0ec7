"""`3dcseg demo`: a page to drop a video on, served on this machine."""

import argparse

from threedcseg.cli.options import add_model, add_settings, model_from, settings_from

EPILOG = """\
Open the address that is printed, drop a video, watch its masks arrive, compare, download. Videos
are deleted --keep-minutes after they are done, and all of them when the server is stopped (Ctrl-C).
Nobody else can reach the page unless --host says so; it then asks for the token that is part of the
printed address.

Examples:
  3dcseg demo
  3dcseg demo --port 9000 --device cuda --max-seconds 300
  3dcseg demo --host 0.0.0.0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    server = parser.add_argument_group("server")
    server.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to serve at: 127.0.0.1 (default) is this machine only, 0.0.0.0 everybody",
    )
    server.add_argument("--port", type=int, default=8765, help="8765; 0 takes any that is free")
    server.add_argument(
        "--max-seconds", type=float, default=60, metavar="N", help="length of a video (60)"
    )
    server.add_argument(
        "--max-megabytes", type=float, default=200, metavar="N", help="size of a video (200)"
    )
    server.add_argument(
        "--keep-minutes",
        type=float,
        default=30,
        metavar="N",
        help="minutes after which a finished video and its results are deleted (30)",
    )
    add_model(parser, default="compact")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; returns 0."""
    from threedcseg.demo.uploads import Limits
    from threedcseg.extras import not_installed

    limits = Limits(args.max_seconds, args.max_megabytes, args.keep_minutes)
    limits.check()
    choice, model = settings_from(args), model_from(args)
    try:
        from threedcseg.demo.server import bind, serve
    except ImportError as error:
        raise not_installed(error.name, "demo", "3dcseg demo") from None
    with bind(args.host, args.port) as listening:
        network, _ = model.load()
        serve(network, model.name, choice.on(network), limits, listening, args.host)
    return 0

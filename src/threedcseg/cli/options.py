"""Options that several commands share, for a network and for `Settings`, and what they mean."""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threedcseg.errors import InputError
from threedcseg.inference.settings import PRESETS, WINDOWS, Settings, check_values, declaration

if TYPE_CHECKING:
    from threedcseg.inference.predictor import Network
    from threedcseg.outputs.record import Provenance


def add_model(parser: argparse.ArgumentParser, default: str | None) -> None:
    """The options that name a network and how it computes, for `model_from`."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default=default,
        help="name, or a file of weights or of `3dcseg export` (default: compact)",
    )
    group.add_argument("--weights", type=Path, help="weights file for the named model")
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    group.add_argument(
        "--precision",
        default="auto",
        help="float32, bfloat16, float16 (GPU) or auto (default): bfloat16 where the weights' card "
        "recommends it and the CPU computes in it, else float32",
    )
    group.add_argument(
        "--runtime",
        choices=["onnxruntime", "openvino"],
        help="for exported files: what runs them (default: by their ending)",
    )


@dataclass(frozen=True)
class ModelChoice:
    """A network and how it computes, as the options of `add_model` name it."""

    name: str
    weights: Path | None = None
    device: str = "auto"
    precision: Any = "auto"
    runtime: Any = None
    quiet: bool = False

    def load(self) -> tuple["Network", "Provenance"]:
        """The network ready to segment, and what the record says of it.

        Prints what it runs on, unless ``quiet``.
        """
        from threedcseg.models import load_model, provenance
        from threedcseg.models.fast.prepare import precision_of
        from threedcseg.outputs.record import Provenance
        from threedcseg.runtimes import exported

        if exported.is_exported(self.name):
            plain = self.weights is None and self.precision == "auto"
            if not plain or self.device not in ("auto", "cpu"):
                raise InputError(
                    f"{self.name} is an exported file: --weights, --precision and --device do not "
                    "apply to it",
                    "leave them out, or give the model's name",
                )
            runtime = self.runtime or exported.ENDINGS[Path(self.name).suffix]
            network = exported.open_exported(self.name, runtime)
            self._say(f"model {self.name} with {runtime} on cpu")
            return network, Provenance(**exported.provenance(self.name, runtime))
        if self.runtime is not None:
            raise InputError(
                f"--runtime {self.runtime} runs exported files",
                f"make one with `3dcseg export {self.name} -o FILE.onnx` and give it as --model",
            )
        loaded = load_model(self.name, self.device, self.weights, self.precision)
        self._say(f"model {self.name} on {next(loaded.parameters()).device}")
        made_by = provenance(self.name, self.weights)
        return loaded, Provenance(**made_by, precision=precision_of(loaded))

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr)


def model_from(args: argparse.Namespace) -> ModelChoice:
    """What the arguments of `add_model` mean."""
    return ModelChoice(args.model, args.weights, args.device, args.precision, args.runtime)


def add_settings(parser: argparse.ArgumentParser, leave_out: tuple[str, ...] = ()) -> None:
    """An option for each of `Settings` that has a help text, for `settings_from`."""
    group = parser.add_argument_group(WINDOWS)
    groups = {WINDOWS: group}
    published = ", ".join(
        f"{name.replace('_', ' ')} {str(value).lower()}"
        for name, value in PRESETS["published"].items()
    )
    group.add_argument(
        "--preset",
        choices=list(PRESETS),
        help=f"published: as the authors' code does ({published}); live: less delay and less work; "
        "the options below still overrule it (default: live for live inputs)",
    )
    group.add_argument(
        "--dense",
        action="store_true",
        help="a clip ends at every frame: overlap = clip length - 1, stride 1",
    )
    for each in fields(Settings):
        kind, choices, option = declaration(each.name)
        if not option.help or each.name in leave_out:
            continue
        how: dict[str, Any] = {"type": kind, "metavar": option.metavar}
        if choices:
            how = {"choices": choices}
        elif kind is bool:
            how = {"action": argparse.BooleanOptionalAction}
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(
            f"--{each.name.replace('_', '-')}",
            default=None,
            help=option.help + _default(each.default),
            **how,
        )


def _default(value: object) -> str:
    if value is None:
        return ""
    return f" (default: {('no', 'yes')[value] if isinstance(value, bool) else value})"


@dataclass(frozen=True)
class SettingsChoice:
    """A preset and single settings, which overrule what a network's file recommends."""

    preset: str
    given: Mapping[str, Any]
    dense: bool = False

    def on(self, network: object) -> Settings:
        """All settings for a network; raises `InputError` for what does not go together."""
        settings = Settings.recommended_by(network, self.preset, **self.given)
        if self.dense:
            settings = replace(settings, overlap=settings.clip_length - 1, stride=1)
        return settings


def settings_from(args: argparse.Namespace, preset: str = "default") -> SettingsChoice:
    """What the arguments of `add_settings` mean; raises `InputError` for values out of range."""
    names = [each.name for each in fields(Settings)]
    given = {name: vars(args)[name] for name in names if vars(args).get(name) is not None}
    check_values(given)
    return SettingsChoice(args.preset or preset, given, args.dense)


def threads(count: int | None) -> int:
    """What ``--workers`` gave, or one a core; raises `InputError` for less than one."""
    if count is None:
        return os.cpu_count() or 1
    if count < 1:
        raise InputError(f"--workers {count} is out of range", "give 1 or more")
    return count

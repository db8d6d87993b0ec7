"""Published checkpoints into weights of ours, without executing anything of theirs."""

from threedcseg.models.conversion.convert import Converted, convert

__all__ = ["Converted", "convert"]

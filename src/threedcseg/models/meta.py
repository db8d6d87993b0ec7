"""Networks with shapes and no numbers, for counting, comparing and filling."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


@contextmanager
def on_meta() -> Iterator[None]:
    """Modules made in this block live on the meta device.

    Random initialisation is skipped: there is nothing to fill, and on the meta device the attempt
    would import the compiler, which takes two seconds or more.
    """
    with torch.device("meta"), _Uninitialised():
        yield


class _Uninitialised(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in (Tensor.normal_, Tensor.uniform_) or _of_init(func):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _of_init(func: Callable[..., Any]) -> bool:
    """Whether it is of `torch.nn.init`, which calls Tensor's methods where no mode sees them."""
    return getattr(func, "__module__", None) == "torch.nn.init"

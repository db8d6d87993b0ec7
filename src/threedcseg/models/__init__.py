"""Networks by name; importing this package registers every one of them."""

from threedcseg.models import compact as _compact  # noqa: F401
from threedcseg.models.registry import create_model

__all__ = ["create_model"]

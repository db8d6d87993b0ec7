"""Files appear under their own name only when they are whole."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART_SUFFIX = ".3dcseg-part"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path``, renamed to ``path`` when the block ends.

    If the block raises, the temporary file is deleted and ``path`` is left as it was.

    >>> with replacing("masks/00000.png") as temporary:  # doctest: +SKIP
    ...     temporary.write_bytes(png)
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

"""A page in a browser, on which nothing may go wrong, and which asks for nothing from elsewhere."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from patience import PATIENCE


@contextmanager
def watched(
    browser: Any, size: tuple[int, int], *places: str, expected: str = "(?!)", **options: Any
) -> Iterator[Any]:
    """A page of that width and height, which may ask for what begins with ``places``.

    ``expected``: a pattern of what may be written to the console.
    """
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    troubles, requests = [], []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    try:
        yield page
    finally:
        context.close()
    assert [text for text in troubles if not re.search(expected, text)] == []
    assert [url for url in requests if not url.startswith((*places, "data:", "blob:"))] == []

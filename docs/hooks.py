"""Pages of the site that lie elsewhere in the repository, where readers of it look for them."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
CARDS = "src/threedcseg/models/cards"
ELSEWHERE = ("DEVIATIONS.md", "CHANGELOG.md", "CONTRIBUTING.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name in ELSEWHERE:
        text = (ROOT / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    for card in sorted((ROOT / CARDS).glob("*.md")):
        files.append(File.generated(config, f"cards/{card.name}", content=card.read_text()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to those pages as they are written for the repository become links of the site."""
    markdown = re.sub(rf"\]\(\.\./((?:\.\./)*){CARDS}/", r"](\1cards/", markdown)
    names = "|".join(re.escape(name) for name in ELSEWHERE)
    return re.sub(rf"\]\(\.\./((?:\.\./)*)({names})", r"](\1\2", markdown)

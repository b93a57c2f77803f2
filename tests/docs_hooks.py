"""What MkDocs does beside making pages of docs/ (mkdocs.yml names this file): CHANGELOG.md, which is beside docs/ because
people look for it there, becomes a page, and links to it lead there.

It may import mkdocs and the standard library. scripts/docs runs it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
MOVED = {"CHANGELOG.md": "changelog.md"}


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are not in docs/."""
    for source, name in MOVED.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, name, content=re.sub(r"\]\(docs/", "](", text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to what was moved."""
    for source, name in MOVED.items():
        markdown = markdown.replace(f"](../{source}", f"]({name}")
    return markdown

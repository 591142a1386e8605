"""What a page of the gallery may run: the one script that it carries, and nothing beside it.

The page holds its script and style inside itself, so that it works from disk. Served, they are
allowed by their hash. Whatever got into the page as a second script (a name with markup in it)
would make two, and then none is run.
"""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser

from annotation.server.guard import CONTENT_POLICY

_DATA_TYPES = ("application/json",)


class _Inline(HTMLParser):
    """Collects the inline scripts that would run, and the styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: dict[str, list[str]] = {"script": [], "style": []}
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_script = tag == "script" and "src" not in given and given.get("type") not in _DATA_TYPES
        self._inside = tag if is_script or tag == "style" else None
        if self._inside:
            self.found[tag].append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[self._inside][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


def gallery_policy(page: str) -> str:
    """Give the content policy of a page of the gallery.

    Parameters
    ----------
    page : str
        Its HTML.
    """
    inline = _Inline()
    inline.feed(page)
    policy = CONTENT_POLICY
    for tag, texts in inline.found.items():
        if len(texts) == 1:
            policy = policy.replace(f"{tag}-src 'self'", f"{tag}-src 'self' {_hash_of(texts[0])}")
    return policy


def _hash_of(text: str) -> str:
    # A browser hashes what it read: line ends are one character by then.
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    digest = hashlib.sha256(plain.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

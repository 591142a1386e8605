"""The gallery's own script runs when served, and nothing that got into the page beside it."""

import base64
import hashlib

from annotation.server.gallery_policy import gallery_policy
from annotation.server.guard import CONTENT_POLICY

PAGE = (
    "<!doctype html><style>body {{margin: 0}}</style><p>{words}"
    '<script type="application/json" id="data">{data}</script><script>go("&lt;")\n</script>'
)


def hash_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_one_script_and_style_are_allowed_by_hash() -> None:
    policy = gallery_policy(PAGE.format(words="a case", data='{"a": 1}'))
    script = hash_of('go("&lt;")\n')
    assert f"script-src 'self' 'sha256-{script}'" in policy
    assert f"style-src 'self' 'sha256-{hash_of('body {margin: 0}')}'" in policy
    assert "unsafe" not in policy


def test_a_second_script_makes_none_run() -> None:
    evil = "<script>steal()</script>"
    for page in (
        PAGE.format(words=evil, data=""),
        PAGE.format(words="", data=f"</script>{evil}"),
        PAGE.format(words="", data="</script><SCRIPT type=module>steal()</SCRIPT>"),
    ):
        policy = gallery_policy(page)
        assert "script-src 'self';" in policy
        assert hash_of("steal()") not in policy


def test_a_page_without_any_has_the_policy_of_the_house() -> None:
    assert gallery_policy("<p>nothing") == CONTENT_POLICY


def test_the_gallery_is_served_with_it(anna, lab) -> None:
    lab.layout.gallery_dir.mkdir()
    page = PAGE.format(words="a case", data="{}")
    (lab.layout.gallery_dir / "index.html").write_text(page)
    for path in ("/gallery/", "/gallery/index.html"):
        answer = anna.get(path)
        assert answer.headers["content-security-policy"] == gallery_policy(page)

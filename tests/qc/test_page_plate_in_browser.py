"""Contact sheets and close-ups above the picture, in a real browser."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.browser import until
from tests.fixtures.gallery_sites import HEIGHT, WIDTH, GallerySite

Open = Callable[..., Any]


@pytest.fixture
def page(open_page: Open, thousand_cases: GallerySite) -> Any:
    return open_page(thousand_cases.page)


def open_case(page: Any, case_id: str) -> None:
    page.evaluate("(id) => openCase(state.shown.findIndex((one) => one.id === id))", case_id)
    until(page, "state.open && state.map")


def test_the_contact_sheet_comes_by_key_and_button_and_goes_with_its_case(page: Any) -> None:
    open_case(page, "s0001")
    assert page.is_visible("#sheet")
    page.keyboard.press("s")
    until(page, "platePicture.complete && !platePicture.hidden")
    size = page.evaluate("[platePicture.naturalWidth, platePicture.naturalHeight]")
    assert size == [WIDTH, HEIGHT]
    assert page.evaluate("platePicture.getAttribute('src')") == "sheets/s0001.png?v=5"
    assert page.get_attribute("#sheet", "aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.is_hidden("#plate")
    assert page.is_visible("#picture")
    page.click("#sheet")
    assert page.is_visible("#plate")
    page.keyboard.press("n")
    assert page.is_hidden("#plate")
    assert page.is_hidden("#sheet")
    page.keyboard.press("s")
    assert page.is_hidden("#plate")
    assert "No contact sheet" in page.inner_text("#told")


def test_a_page_from_disk_says_where_close_ups_come_from(page: Any) -> None:
    open_case(page, "s0001")
    assert page.is_hidden("#large")
    page.keyboard.press("u")
    assert page.is_hidden("#plate")
    assert "masksmith serve" in page.inner_text("#told")
    page.keyboard.press("?")
    said = page.inner_text("#keys")
    assert "CT slices through the findings" in said
    assert "the structure close up" in said

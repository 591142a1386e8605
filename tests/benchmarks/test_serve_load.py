"""The load bench loses nothing, on both ledgers, and its table says what was measured."""

from pathlib import Path

import pytest

from benchmarks.postgresql import NoPostgresql, postgresql
from benchmarks.serve_load import Figures, Load, measure, table


@pytest.fixture
def postgresql_url():
    """Give the URL of a PostgreSQL of its own, from Debian's packages."""
    try:
        with postgresql() as url:
            yield url
    except NoPostgresql as reason:
        pytest.skip(str(reason))


QUICK = Load(annotators=6, seconds=15, pause_s=0.1, strokes=3, cases=2, spacing_mm=6.0)


@pytest.mark.slow
def test_annotators_at_once_lose_nothing_on_sqlite(tmp_path: Path) -> None:
    figures = measure(tmp_path / "workspace", QUICK, "sqlite")
    assert (figures.lost, figures.failed, figures.doctor_errors) == (0, 0, 0)
    assert figures.saves > figures.commits > 0


@pytest.mark.slow
def test_annotators_at_once_lose_nothing_on_postgresql(tmp_path: Path, postgresql_url) -> None:
    figures = measure(tmp_path / "workspace", QUICK, "postgresql", postgresql_url)
    assert (figures.lost, figures.failed, figures.doctor_errors) == (0, 0, 0)
    assert figures.saves > figures.commits > 0


def test_the_table_names_every_ledger() -> None:
    text = table(Load(), [Figures("sqlite", saves=10, p95_ms=123.4)])
    assert "20 annotators for 600 s" in text
    assert "| sqlite | 10 | 0 | 0 ms | 123 ms |" in text

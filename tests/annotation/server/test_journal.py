"""The journal keeps what it acknowledged, forgets what it did not, and refuses what is damaged."""

from pathlib import Path

import pytest

from annotation.server.journal import JournalError, append_to_journal, read_journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "b" / "x.journal"
    end = 0
    for record in (b"first", b"second" * 100, b"third"):
        end = append_to_journal(path, record, end)
    return path


def test_records_come_back_in_order(journal: Path) -> None:
    content = read_journal(journal)
    assert content.records == (b"first", b"second" * 100, b"third")
    assert content.end == journal.stat().st_size


def test_cut_off_anywhere_it_gives_the_whole_records_before(journal: Path) -> None:
    data = journal.read_bytes()
    ends = [8 + 8 + 5, 8 + 8 + 5 + 8 + 600, len(data)]
    for length in range(len(data)):
        journal.write_bytes(data[:length])
        content = read_journal(journal)
        assert len(content.records) == sum(end <= length for end in ends)
        end = append_to_journal(journal, b"after the crash", content.end)
        again = read_journal(journal)
        assert again.records == (*content.records, b"after the crash")
        assert again.end == end


def test_zeros_behind_the_last_record_are_a_tail(journal: Path) -> None:
    whole = read_journal(journal)
    with journal.open("ab") as file:
        file.write(bytes(5000))
    assert read_journal(journal) == whole


def test_a_flipped_bit_in_the_last_record_is_a_tail(journal: Path) -> None:
    data = bytearray(journal.read_bytes())
    data[-1] ^= 1
    journal.write_bytes(data)
    assert read_journal(journal).records == (b"first", b"second" * 100)


@pytest.mark.parametrize("byte", [40, 21, 22, 23, 24, 25], ids=lambda byte: f"byte {byte}")
def test_damage_with_whole_records_behind_it_is_refused(journal: Path, byte: int) -> None:
    """Bytes 21 to 24 are the length of the second record: damaged, it may reach beyond the end."""
    data = bytearray(journal.read_bytes())
    data[byte] ^= 1
    journal.write_bytes(data)
    with pytest.raises(JournalError, match="damaged at byte 21"):
        read_journal(journal)
    assert journal.read_bytes() == bytes(data)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(b"something else entirely")
    with pytest.raises(JournalError, match="no journal"):
        read_journal(path)


def test_an_empty_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="0 bytes"):
        append_to_journal(tmp_path / "x.journal", b"", 0)

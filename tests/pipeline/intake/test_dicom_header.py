import struct
import zlib

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pipeline.intake.dicom_header import read_slice_header
from pipeline.intake.reading import HeaderTask, read_headers
from pipeline.intake.refusal import Refused


def test_the_fields_of_a_slice(tmp_path, write_series):
    header = read_slice_header(write_series(tmp_path, GantryDetectorTilt="-3.5")[0])
    assert (header.rows, header.columns, header.frames) == (20, 24, 1)
    assert header.position_mm == (-20.0, -15.0, 100.0)
    assert header.pixel_spacing_mm == (2.0, 2.5)
    assert header.rescale == (1.0, -1024.0)
    assert header.tilt_deg == -3.5
    assert header.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")


def test_names_dates_and_free_text_are_not_even_read(tmp_path, write_series):
    text = repr(read_slice_header(write_series(tmp_path)[0]))
    for planted in ("Muster", "Erika", "19600229", "20200229", "Beispiel", "Abdomen", "Schmidt"):
        assert planted not in text


@pytest.mark.parametrize(
    "content",
    [b"", b"not DICOM", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 300],
)
def test_broken_files_are_refused_without_quoting_them(tmp_path, content):
    path = tmp_path / "IM1.dcm"
    path.write_bytes(content)
    with pytest.raises(Refused, match=r"a DICOM header (that cannot be read|with nothing in it)"):
        read_slice_header(path)


def test_a_number_that_is_none_is_refused_without_quoting_it(tmp_path, write_series):
    path = write_series(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b"2.0\\2.5 ", b"Mueller "))
    with pytest.raises(Refused) as caught:
        read_slice_header(path)
    assert "Mueller" not in str(caught.value)


def test_an_element_that_declares_gigabytes_takes_no_memory_and_ends_the_header(
    tmp_path, write_series
):
    path = write_series(tmp_path)[0]
    whole = path.read_bytes()
    at = whole.index(b"\x28\x00\x02\x00")  # SamplesPerPixel
    lie = struct.pack("<HH2sHI", 0x0028, 0x0002, b"OB", 0, 0xFFFFFFF0)
    path.write_bytes(whole[:at] + lie + b"\0" * 64)
    read = read_headers(HeaderTask((path,), 256 * 2**20))
    if read.refused:
        assert "(MemoryError)" in read.refused[0][1]
    else:
        assert read.headers[0].pixel_spacing_mm == ()


def test_a_deflated_file_is_read_and_a_deflated_bomb_is_refused(tmp_path, write_series):
    path = write_series(tmp_path)[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    assert read_slice_header(path).rows == 20
    meta = pydicom.filereader.read_file_meta_info(path)
    meta_end = 132 + 12 + int(meta.FileMetaInformationGroupLength)
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = deflater.compress(b"\0" * 2**24) + deflater.flush(zlib.Z_FULL_FLUSH)
    bomb = path.read_bytes()[:meta_end] + block * 20
    assert len(bomb) < 500_000
    path.write_bytes(bomb)
    with pytest.raises(Refused, match="expands beyond 268,435,456 bytes"):
        read_slice_header(path)

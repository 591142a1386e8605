"""Stage intake: CTs in from NIfTI and DICOM, checked and de-duplicated."""

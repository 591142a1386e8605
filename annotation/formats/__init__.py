"""One reader per format of files drawn elsewhere."""

"""What people do: verdicts, edits, files drawn elsewhere."""

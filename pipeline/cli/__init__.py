"""The masksmith command."""

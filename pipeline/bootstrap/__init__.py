"""Stage bootstrap: first masks from existing models."""

"""Masksmith measured against named peers, in turn and in one run."""

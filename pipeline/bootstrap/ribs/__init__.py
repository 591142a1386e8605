"""Ribs one by one, from a mask that holds them all."""

from pipeline.bootstrap.ribs.naming import NAMES
from pipeline.bootstrap.ribs.split import RibSplit, split_ribs

__all__ = ["NAMES", "RibSplit", "split_ribs"]

"""Ribs one by one, from a mask that holds them all."""

from pipeline.bootstrap.ribs.split import NAMES, RibSplit, split_ribs

__all__ = ["NAMES", "RibSplit", "split_ribs"]

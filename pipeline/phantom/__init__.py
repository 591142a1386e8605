"""Synthetic bodies with truth for every structure: demo, tests, benchmarks, simulation.

Words
-----
mean body
    One anatomy in mm, made of implicit shapes painted in order (the files by room of the body).
individual
    A smooth map from a person's world into the mean body: all differences between people.
part
    One shape with its tissue and what it may be painted over.
"""

from pipeline.phantom.body import Body, in_field, make_body
from pipeline.phantom.dataset import (
    DatasetSettings,
    WrittenBody,
    body_settings,
    write_dataset,
    write_phantoms,
)
from pipeline.phantom.intensities import STRUCTURES, expected_mean_hu
from pipeline.phantom.pair import Deformation, Pair, make_pair
from pipeline.phantom.settings import FIELDS_OF_VIEW_MM, PHASES, BodySettings

__all__ = [
    "FIELDS_OF_VIEW_MM",
    "PHASES",
    "STRUCTURES",
    "Body",
    "BodySettings",
    "DatasetSettings",
    "Deformation",
    "Pair",
    "WrittenBody",
    "body_settings",
    "expected_mean_hu",
    "in_field",
    "make_body",
    "make_pair",
    "write_dataset",
    "write_phantoms",
]

"""Simulation: rounds with a computed annotator on synthetic bodies, before people's time is spent.

Words
-----
body
    A synthetic CT whose every structure is known (`pipeline.phantom`).
annotator
    A model of a person who looks at proposals, accepts what is good enough, and corrects the
    worst first: how long it takes (`pace`), what is decided (`annotator`), how it is drawn
    (`rough_strokes`).
strategy
    How the next cases are chosen.
"""

"""Evaluation: truth and predictions side by side, per case, per structure, per group.

Words
-----
truth, prediction
    Masks of one case on one grid. A *source* says where they lie and loads them.
covered
    A structure that a source decides, present or absent. What is not covered is never counted:
    "not annotated" is not "not there".
row
    One structure in one case: Dice, NSD, volumes, and what became of it.
group
    Rows that are averaged together: a structure, a body part, a contrast phase, ...
"""

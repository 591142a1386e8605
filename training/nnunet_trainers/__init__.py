"""Trainers nnU-Net loads by name; they import only nnunetv2 and torch."""

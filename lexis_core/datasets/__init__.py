"""Readers of the field's data sets: folders in, checked values out."""

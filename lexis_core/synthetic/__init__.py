"""Procedural interactions of bodies and objects: a training set anyone can make again. Needs the `learn` extra."""

"""Operators: they ask the scene, call the core, and report."""

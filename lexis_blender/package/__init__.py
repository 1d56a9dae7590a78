"""Builds the extension zips: python -m lexis_blender.package --platform linux-x64 --out dist"""

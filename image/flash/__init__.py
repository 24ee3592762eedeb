"""Writes an image to a card."""

"""Packages: where they come from, how they get into an image, and what is known of those that are in it."""

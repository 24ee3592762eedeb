"""Debian packages for machines that were not made from an image: the daemon's, and the builder's."""

"""`python -m image.manual PAGE`: prints one of `PAGES`."""

from __future__ import annotations

import sys

from image.manual.pages import PAGES

sys.stdout.buffer.write(PAGES[sys.argv[1]]().encode())

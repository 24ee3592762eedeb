"""`python -m image.manual [PAGE]`: prints one of `PAGES`, or all of them as a JSON object, by name."""

from __future__ import annotations

import json
import sys

from image.manual.pages import PAGES

wanted = PAGES[sys.argv[1]]() if sys.argv[1:] else json.dumps({name: made() for name, made in PAGES.items()})
sys.stdout.buffer.write(wanted.encode())

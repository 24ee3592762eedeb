"""`python3 -m appliance`: the command line, where the console script is not installed."""

import sys

from appliance.cli import main

sys.exit(main())

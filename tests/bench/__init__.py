"""`make bench`: the figures, measured now, on this machine. Nothing in here passes or fails; a file is a subject."""

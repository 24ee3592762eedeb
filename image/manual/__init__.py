"""What people read beside the README and what shells know of the commands, from the model and the parsers."""

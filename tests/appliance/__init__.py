"""The model, its parser and the command line: no effects, milliseconds."""

"""The device's commands, one module each."""

"""The command line's side of the build host: one module a command, as `appliance.cli` wants them."""

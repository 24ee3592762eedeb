"""The device's side: keeps the machine as `appliance.yaml` wants it. Runs on the distribution's Python."""

"""What the build host and the device share: the model of `appliance.yaml` and how it is read.

Nothing in here has an effect on the machine. Only the standard library and PyYAML are imported.
"""

"""Running an image's programs on this machine: namespaces, mounts, emulation."""

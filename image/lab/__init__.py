"""The lab: an image booted in QEMU, with a stand-in provider and a LAN client around it, in namespaces of its own."""

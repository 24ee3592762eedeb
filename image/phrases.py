"""What each stage of a build makes, in a few words: for people who see its name for the first time.

It stands in no stage's own file: a word that is put better would have the cache made anew.
"""

from __future__ import annotations

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "fetch": "the image to start from",
    "inspect": "a look into that image",
    "unpack": "its files",
    "index": "the lists of Debian's packages",
    "native": "tools for this computer's processor",
    "bootstrap": "a Debian that boots",
    "packages": "the packages that the Pi's work takes",
    "daemon": "the program that looks after the Pi",
    "overlay": "settings that are the same on every Pi",
    "usb_device": "the Pi's USB port as a device's",
    "guard": "a look for what the Zero cannot run",
    "rootfs": "the large partition",
    "bootfs": "the small partition",
    "compress-zst": "both, compressed",
    "compress-xz": "both, compressed",
    "boot": "appliance.yaml on the small partition",
    "assemble": "the image in its place",
    "package_list": "beside it: which packages it has",
    "sbom": "beside it: a bill of materials (SPDX)",
    "manifest": "beside it: what Raspberry Pi Imager asks",
    "tools": "programs for the lab's other computers",
}
"""By the stage's name."""

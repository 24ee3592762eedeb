"""The public keys that may log in over ssh, in a file of our own that sshd reads beside the user's."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.paths import ETC
from firstboot.rendered.file import File, text

USER = "pi"
AUTHORIZED_KEYS = ETC / "ssh" / "appliance_authorized_keys" / USER
OWNED = (AUTHORIZED_KEYS,)


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The keys, one a line."""
    keys = appliance.ssh.authorized_keys
    return (text(AUTHORIZED_KEYS, "".join(f"{key}\n" for key in keys)),) if keys else ()

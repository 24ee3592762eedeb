"""What the tunnel is: asked of the broker, and remembered for when it cannot be."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import IPv4Address

from appliance.he import BrokerTunnel
from appliance.model import Broker
from firstboot.broker.correspondence import Correspondence
from firstboot.broker.description import Description, KnownDescription
from firstboot.broker.memory import digest
from firstboot.broker.storage import remembered_description

log = logging.getLogger("appliance")


class Inquiry(Correspondence[Description]):
    """What the broker has said that our tunnel is."""

    _remembered = staticmethod(remembered_description)

    def said(self) -> BrokerTunnel | None:
        """What the tunnel is, as it is used."""
        return self._memory.said

    def known(self) -> KnownDescription:
        """What is known now."""
        return KnownDescription(self._memory, self._clock(), self._under_way, self.free_s)

    def ask(self, broker: Broker, local: IPv4Address) -> None:
        """Begin to ask, from `local`, our own address; nothing where it may not be asked now."""
        known = self.known()
        if not known.may_be_asked(broker, local):
            return
        # First it is written down: whatever happens meanwhile, it has been asked.
        self._note(
            replace(
                self._memory,
                tunnel=broker.tunnel,
                asked_by=local,
                asked_s=known.now_s,
                account=digest(broker),
                is_doubted=False,
            )
        )
        self._call(broker, local)

    def take_in(self) -> None:
        """Note what the broker has answered."""
        for answer in self._come():
            self._note(self._memory.with_answer(answer))
            log.info("the broker: %s", answer.meaning.told or "it says what the tunnel is")

    def take_over(self, tunnel: BrokerTunnel) -> None:
        """From now on that is what the tunnel is."""
        self._note(replace(self._memory, said=tunnel))
        self._wake()

    def ask_again(self) -> None:
        """A person has put something right: what was final is none any more."""
        if self._memory.tunnel:
            self._note(replace(self._memory, account="", is_doubted=True))

"""The machine that the daemon runs on, and all that can be done to it: only `Host.execute` does anything."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import singledispatchmethod

from appliance.errors import PermanentError, TemporaryError
from firstboot import actions, advertisement, files, regulatory, rfkill
from firstboot.facts import ChangedSetting
from firstboot.former_files import HOSTNAME, HOSTS, put_back
from firstboot.gadget import configfs
from firstboot.neighbours import Answers
from firstboot.observed_host import SYSCTL, ObservedHost
from firstboot.paths import CARRYING
from firstboot.resources.hostname import hosts_with

SHORT_S = 0.1
DOWN_S = 5.0
"""For so long a carrier must be gone: Linux tells programs after up to a second (net/core/link_watch.c), and
NetworkManager takes no notice of what is back within four."""

CONSOLE = "serial-getty@ttyGS0.service"
"""Where one logs in on the gadget's serial port (`60-appliance-gadget.rules`)."""

AWAY_S = 1.0
"""A port that is empty for less than 100 ms may not be seen to be so (USB 2.0, 7.1.7.3), and hosts have hubs."""


class Host(ObservedHost):
    """This machine, with one method for each sort of action."""

    def execute(self, action: actions.Action) -> None:
        """Carry out one action. Raises `TemporaryError` or `PermanentError`."""
        try:
            self._do(action)
        except OSError as error:
            raise TemporaryError(f"{action}: {error.strerror or error}") from error
        finally:
            self.look(action.changes)
            self._rules |= self._loaded
            self._loaded.clear()

    @singledispatchmethod
    def _do(self, action: actions.Action) -> None:
        raise PermanentError(f"nobody knows how to {action}")

    @_do.register
    def _(self, action: actions.AddTunnel) -> None:
        self._netlink.add_tunnel(
            name=action.name,
            local=action.local,
            remote=action.remote,
            ttl=action.ttl,
            mtu=action.mtu,
            six_rd=(action.prefix, action.customers) if action.prefix and action.customers else None,
        )

    @_do.register
    def _(self, action: actions.AddBridge) -> None:
        self._netlink.add_bridge(name=action.name, mac=action.mac)

    @_do.register
    def _(self, action: actions.SetMaster) -> None:
        self._netlink.set_master(action.name, action.master)

    @_do.register
    def _(self, action: actions.SetMac) -> None:
        self._netlink.set_mac(action.name, action.mac)

    @_do.register
    def _(self, action: actions.ShowGadget) -> None:
        layout = action.layout
        if not configfs.is_made(layout.files, layout.links):
            self._end_console()
        configfs.show(layout.folders, layout.files, layout.links)

    @_do.register
    def _(self, action: actions.RemoveGadget) -> None:
        self._end_console()
        configfs.remove()

    def _end_console(self) -> None:
        """Have nobody at the gadget's serial port before that is taken away; whoever is there again, udev says.

        When it goes, the login there ends, and systemd opens it once more. If the kernel has forgotten the port by then
        and its device is still there, Linux crashes (gs_close() in u_serial.c uses what gs_open() has not set), and as
        that is in process 1, all of it.
        """
        if configfs.has_console():
            self._system.unit_is_active(CONSOLE)  # so that systemd knows it
            self._system.stop_unit(CONSOLE)

    @_do.register
    def _(self, action: actions.RemoveLink) -> None:
        self._netlink.remove_link(action.name)

    @_do.register
    def _(self, action: actions.SetLink) -> None:
        self._netlink.set_link(action.name, mtu=action.mtu)

    @_do.register
    def _(self, action: actions.BounceLinks) -> None:
        for name in action.names:
            self._netlink.set_link_down(name)
        until, before = time.monotonic() + DOWN_S, self._neighbours()
        while time.monotonic() < until and not _lost(before, self._neighbours()):
            time.sleep(SHORT_S)
        for address in action.addresses:
            self._netlink.add_address(address)
        for name in action.names:
            self._netlink.set_link(name, mtu=None)

    @_do.register
    def _(self, action: actions.ReplugGadget) -> None:
        shown_again = time.monotonic() + AWAY_S
        configfs.hide()
        try:
            for each in action.meanwhile:
                self._do(each)
            time.sleep(max(0.0, shown_again - time.monotonic()))
        finally:
            configfs.show_again()

    @_do.register
    def _(self, action: actions.RetractIPv6) -> None:
        advertisement.retract(
            action.interface,
            router_lifetime_s=action.router_lifetime_s,
            dns_server=action.dns_server,
            prefixes=action.prefixes,
            preferred=action.preferred,
        )

    @_do.register
    def _(self, action: actions.AddAddress) -> None:
        self._netlink.add_address(action.address, replaces=action.replaces)

    @_do.register
    def _(self, action: actions.RemoveAddress) -> None:
        self._netlink.remove_address(action.address)

    @_do.register
    def _(self, action: actions.SetRoute) -> None:
        self._netlink.set_route(action.route, replaces=action.replaces)

    @_do.register
    def _(self, action: actions.RemoveRoute) -> None:
        self._netlink.remove_route(action.route)

    @_do.register
    def _(self, action: actions.SetSysctl) -> None:
        if action.before is not None:
            self._changed_settings.remember(ChangedSetting(action.name, action.before, action.value, action.index))
        _set(action.name, action.value)

    @_do.register
    def _(self, action: actions.PutBackSysctl) -> None:
        if action.value is not None:
            _set(action.name, action.value)
        self._changed_settings.forget(action.name)

    @_do.register
    def _(self, action: actions.WriteFile) -> None:
        self._former_files.keep(action.path)
        if action.mode is None:
            files.amend(action.path, action.content)
        else:
            files.replace(action.path, action.content, action.mode)

    @_do.register
    def _(self, action: actions.RemoveFile) -> None:
        action.path.unlink(missing_ok=True)

    @_do.register
    def _(self, action: actions.PutBackFile) -> None:
        put_back(action.former)

    @_do.register
    def _(self, action: actions.ForgetFormerFiles) -> None:
        self._former_files.forget()

    @_do.register
    def _(self, action: actions.SetHostname) -> None:
        for path in (HOSTNAME, HOSTS):
            self._former_files.keep(path)
        self._system.set_hostname(action.name)
        hosts = files.read(HOSTS)
        text = hosts.content.decode(errors="surrogateescape") if hosts else "127.0.0.1\tlocalhost\n"
        write = files.amend if hosts else files.replace
        write(HOSTS, hosts_with(text, action.name).encode(errors="surrogateescape"))

    @_do.register
    def _(self, action: actions.ShutFirewall) -> None:
        self._iptables.shut(action.family)

    @_do.register
    def _(self, action: actions.OpenFirewall) -> None:
        self._iptables.open(action.family)

    @_do.register
    def _(self, action: actions.LoadRules) -> None:
        self._loaded[action.family] = self._iptables.load(action.family, action.text, self.rules(action.family))

    @_do.register
    def _(self, action: actions.RestartUnit) -> None:
        self._system.restart_unit(action.name)

    @_do.register
    def _(self, action: actions.StopUnit) -> None:
        self._system.stop_unit(action.name)

    @_do.register
    def _(self, action: actions.ReloadNetworkManager) -> None:
        self._system.reload_networkmanager()

    @_do.register
    def _(self, action: actions.ActivateProfile) -> None:
        self._system.activate_profile(action.uuid, action.interface)

    @_do.register
    def _(self, action: actions.SeekNetworks) -> None:
        self._wireless.seek(action.interface)

    @_do.register
    def _(self, action: actions.ReloadNetworkd) -> None:
        self._system.reload_networkd()

    @_do.register
    def _(self, action: actions.ReconfigureLink) -> None:
        self._system.reconfigure_link(self.facts().links[action.name].index)

    @_do.register
    def _(self, action: actions.GenerateNetplan) -> None:
        self._system.generate_netplan()

    @_do.register
    def _(self, action: actions.RememberCarrying) -> None:
        known = {**self._carrying(), action.network: action.carrier}
        content = json.dumps({network: asdict(carrier) for network, carrier in known.items()})
        files.replace(CARRYING, f"{content}\n".encode())

    @_do.register
    def _(self, action: actions.ReactSoon) -> None:
        self.due_reactions.soon(action)

    @_do.register
    def _(self, action: actions.NoteMembers) -> None:
        self.due_reactions.note(action.policy, action.members)

    @_do.register
    def _(self, action: actions.ForgetReaction) -> None:
        self.due_reactions.forget(action.policy)

    @_do.register
    def _(self, action: actions.TellBroker) -> None:
        self.records[action.rank].tell(action.broker, action.local)

    @_do.register
    def _(self, action: actions.AskBroker) -> None:
        self.inquiries[action.rank].ask(action.broker, action.local)

    @_do.register
    def _(self, action: actions.TakeOver) -> None:
        self.inquiries[action.rank].take_over(action.tunnel)

    @_do.register
    def _(self, action: actions.NoteInterruption) -> None:
        self.records[action.rank].interrupted()

    @_do.register
    def _(self, action: actions.UnblockRadio) -> None:
        rfkill.unblock(action.interface)

    @_do.register
    def _(self, action: actions.EnableWireless) -> None:
        self._wireless.enable()

    @_do.register
    def _(self, action: actions.SetCountry) -> None:
        regulatory.set_country(action.country)


def _set(name: str, value: str) -> None:
    try:
        (SYSCTL / name).write_text(value, encoding="ascii")
    except OSError as error:
        raise TemporaryError(f"{name} cannot be set to {value}: {error.strerror}") from error


def _lost(before: Answers, now: Answers) -> bool:
    """Whether somebody answers no more, who may be the way out that the laptop is just being told of."""
    return any(here and not now.get(host) for host, here in before.items())

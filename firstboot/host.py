"""The machine that the daemon runs on: looked at in many ways, changed only by `Host.execute`."""

from __future__ import annotations

import socket
from functools import singledispatchmethod
from pathlib import Path

from appliance.errors import PermanentError, TemporaryError
from firstboot import actions, files
from firstboot.bus import Bus
from firstboot.command import run
from firstboot.facts import Facts
from firstboot.kind import FileState
from firstboot.netlink import Netlink
from firstboot.paths import ETC
from firstboot.rendered.ufw import path_of
from firstboot.resources.hostname import hosts_with
from firstboot.rulesets import parse, restoring

SYSCTL = Path("/proc/sys")
UFW_INIT = "/usr/lib/ufw/ufw-init"
_PROGRAMS = {4: "iptables", 6: "ip6tables"}


class Host:
    """This machine. Without a bus (in a bare network namespace) there are no units and no NetworkManager."""

    def __init__(self, netlink: Netlink, bus: Bus | None) -> None:
        self._netlink = netlink
        self._bus = bus

    def facts(self) -> Facts:
        """Look at the network."""
        return Facts(
            links={link.name: link for link in self._netlink.links()},
            addresses=tuple(self._netlink.addresses()),
            routes=tuple(self._netlink.routes()),
            networkmanager=self._bus is not None and self._bus.networkmanager_runs(),
        )

    def sysctl(self, name: str) -> str | None:
        """A kernel setting's value; None if the kernel has no such setting."""
        try:
            return (SYSCTL / name).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def read(self, path: Path) -> FileState | None:
        """A file; None if it is not there."""
        return files.read(path)

    def hostname(self) -> str:
        """The name that the kernel has."""
        return socket.gethostname()

    def rules(self, family: int) -> str:
        """The firewall's rules as iptables-save prints them."""
        return run([f"{_PROGRAMS[family]}-save"])

    def unit_is_active(self, name: str) -> bool:
        """Whether a systemd unit runs."""
        return self._system.unit_is_active(name)

    def networkmanager_manages(self, interface: str) -> bool:
        """Whether NetworkManager looks after an interface."""
        return self._system.networkmanager_manages(interface)

    def active_profile(self, interface: str) -> str:
        """The name of the NetworkManager profile that an interface is connected by."""
        return self._system.active_profile(interface)

    @property
    def _system(self) -> Bus:
        if self._bus is None:
            raise TemporaryError("there is no system bus")
        return self._bus

    @singledispatchmethod
    def execute(self, action: actions.Action) -> None:
        """Carry out one action. Raises `TemporaryError` or `PermanentError`."""
        raise PermanentError(f"nobody knows how to {action}")

    @execute.register
    def _(self, action: actions.AddTunnel) -> None:
        self._netlink.add_tunnel(
            name=action.name, local=action.local, remote=action.remote, ttl=action.ttl, mtu=action.mtu
        )

    @execute.register
    def _(self, action: actions.RemoveLink) -> None:
        self._netlink.remove_link(action.name)

    @execute.register
    def _(self, action: actions.SetLink) -> None:
        self._netlink.set_link(action.name, mtu=action.mtu)

    @execute.register
    def _(self, action: actions.AddAddress) -> None:
        self._netlink.add_address(action.address)

    @execute.register
    def _(self, action: actions.RemoveAddress) -> None:
        self._netlink.remove_address(action.address)

    @execute.register
    def _(self, action: actions.SetRoute) -> None:
        self._netlink.set_route(action.route)

    @execute.register
    def _(self, action: actions.RemoveRoute) -> None:
        self._netlink.remove_route(action.route)

    @execute.register
    def _(self, action: actions.SetSysctl) -> None:
        try:
            (SYSCTL / action.name).write_text(action.value, encoding="ascii")
        except OSError as error:
            raise TemporaryError(f"{action.name} cannot be set to {action.value}: {error.strerror}") from error

    @execute.register
    def _(self, action: actions.WriteFile) -> None:
        files.replace(action.path, action.content, action.mode)

    @execute.register
    def _(self, action: actions.RemoveFile) -> None:
        action.path.unlink(missing_ok=True)

    @execute.register
    def _(self, action: actions.SetHostname) -> None:
        self._system.set_hostname(action.name)
        hosts = files.read(ETC / "hosts")
        text = hosts.content.decode(errors="surrogateescape") if hosts else "127.0.0.1\tlocalhost\n"
        files.replace(ETC / "hosts", hosts_with(text, action.name).encode(errors="surrogateescape"))

    @execute.register
    def _(self, action: actions.LoadRules) -> None:
        # `ufw reload` stops before it starts, and in between everything is accepted. iptables-restore
        # exchanges the chains that a file declares in one step, and ufw reads the same file at boot.
        for family, program in _PROGRAMS.items():
            if ":ufw-user-input " not in self.rules(4) or ":ufw6-user-input " not in self.rules(6):
                run([UFW_INIT, "start"])
            file = files.read(path_of(family))
            text = restoring(file.content.decode() if file else "", parse(self.rules(family)), family)
            run([f"{program}-restore", "--wait", "--noflush"], stdin=text)

    @execute.register
    def _(self, action: actions.RestartUnit) -> None:
        self._system.restart_unit(action.name)

    @execute.register
    def _(self, action: actions.StopUnit) -> None:
        self._system.stop_unit(action.name)

    @execute.register
    def _(self, action: actions.ReloadNetworkManager) -> None:
        self._system.reload_networkmanager()

    @execute.register
    def _(self, action: actions.ActivateProfile) -> None:
        self._system.activate_profile(action.uuid, action.interface)

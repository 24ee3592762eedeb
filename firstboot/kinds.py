"""The kinds of resource, in the order in which they are put right."""

from __future__ import annotations

from typing import Any

from firstboot.kind import Kind
from firstboot.resources.addresses import Addresses
from firstboot.resources.bridge import Bridge
from firstboot.resources.broker import BrokerRecord
from firstboot.resources.cable import Cable, Withdrawal
from firstboot.resources.dhcpcd import Dhcpcd
from firstboot.resources.files import Files
from firstboot.resources.firewall import Firewall
from firstboot.resources.former_settings import FormerSettings
from firstboot.resources.gadget import Gadget
from firstboot.resources.given_back import Forgotten, GivenBack
from firstboot.resources.hostname import Hostname
from firstboot.resources.links import Links
from firstboot.resources.managed import ManagedInterfaces
from firstboot.resources.names import Names
from firstboot.resources.offer import Offer
from firstboot.resources.other_managers import OtherManagers
from firstboot.resources.overlap import Overlap
from firstboot.resources.policy_sysctls import PolicySysctls
from firstboot.resources.providers_tunnel import ProvidersTunnel
from firstboot.resources.radio import Radios
from firstboot.resources.ranked_uplinks import RankedUplinks
from firstboot.resources.reach import Reach
from firstboot.resources.reactions import Reactions
from firstboot.resources.route_tables import RouteTables
from firstboot.resources.routes import Routes
from firstboot.resources.status_page import StatusPage
from firstboot.resources.sysctls import CableSysctls, Sysctls, TunnelSysctls
from firstboot.resources.tunnel import Tunnel
from firstboot.resources.tunnel_information import TunnelInformation
from firstboot.resources.ufw_settings import UfwSettings
from firstboot.resources.units import Units
from firstboot.resources.uplink import Uplink
from firstboot.resources.uplink_sysctls import UplinkSysctls
from firstboot.resources.wifi import WirelessUplink

KINDS: tuple[Kind[Any], ...] = (
    GivenBack(),  # so that nobody is cut off for longer
    Withdrawal(),  # a laptop without its Internet waits for nothing else
    Hostname(),
    Files(),
    UfwSettings(),
    Firewall(),  # before anything is reachable
    Sysctls(),  # before a foreign router is heard
    ManagedInterfaces(),
    Radios(),
    WirelessUplink(),
    Gadget(),
    Bridge(),
    CableSysctls(),
    Links(),
    OtherManagers(),
    Uplink(),
    Tunnel(),
    TunnelSysctls(),
    Addresses(),
    Routes(),
    TunnelInformation(),
    ProvidersTunnel(),
    BrokerRecord(),  # by the uplink's default route
    RouteTables(),
    PolicySysctls(),
    RankedUplinks(),
    UplinkSysctls(),
    FormerSettings(),  # after the kinds that may want one
    Reactions(),
    Reach(),
    Units(),
    StatusPage(),  # once there are addresses to listen on
    Dhcpcd(),
    Names(),
    Overlap(),
    Offer(),
    Cable(),  # once dnsmasq offers what the laptop is to ask for
    Forgotten(),  # once all that is ours is gone
)

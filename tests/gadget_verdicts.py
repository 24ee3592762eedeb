"""Who may send what to whom through a gadget: its standard policy, as a table of verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Network

from firstboot.cable import BRIDGE
from image.lab.cables import NIC
from tests.verdicts import Places

TABLE = """
from     to       what                    IPv4   IPv6
outside  box      tcp/22                  no     no
outside  box      tcp/80                  no     no
outside  box      udp/53                  no     no
outside  box      udp/5353                no     no
outside  box      echo                    no     no
outside  box      unreachable             no     no
outside  box      amid tcp/22             no     no
outside  box      lying tcp/22            no     no
outside  box      fragmented udp/53       no     no
outside  box      41                      no     no
link     box      tcp/22                  no     no
link     box      udp/5353                no     no
link     box      echo                    no     no
link     box      41                      no     no
outside  laptop   tcp/443                 no     no
outside  laptop   udp/53                  no     no
outside  laptop   echo                    no     no
outside  laptop   unreachable             no     no
outside  laptop   amid tcp/443            no     no
outside  laptop   lying tcp/443           no     no
outside  laptop   fragmented udp/443      no     no
outside  laptop   41                      no     no
laptop   box      tcp/22                  yes    yes
laptop   box      udp/53                  yes    yes
laptop   box      tcp/53                  yes    yes
laptop   box      udp/67                  yes    no
laptop   box      udp/547                 no     yes
laptop   box      udp/5353                yes    yes
laptop   box      tcp/80                  yes    yes
laptop   box      tcp/8080                no     no
laptop   box      echo                    yes    yes
laptop   box      fragmented udp/53       yes    yes
laptop   box      lying tcp/22            no     no
laptop   outside  tcp/443                 yes    yes
laptop   outside  udp/443                 yes    yes
laptop   outside  echo                    yes    yes
laptop   outside  amid tcp/443            yes    yes
laptop   outside  fragmented udp/443      yes    yes
laptop   outside  lying tcp/443           no     no
laptop   outside  lying echo              no     no
laptop   outside  41                      yes    yes
laptop   link     tcp/443                 yes    yes
laptop   outside  unreachable             no     no
box      outside  tcp/443                 yes    yes
box      outside  udp/123                 yes    yes
box      outside  echo                    yes    yes
box      laptop   tcp/443                 yes    yes
box      laptop   echo                    yes    yes
box      box      tcp/22                  yes    yes
"""


def places(box: Mapping[int, str], link: Mapping[int, str], unique: IPv6Network) -> Places:
    """Where the ends are of the one that has these addresses, by family, and whose cable has this prefix.

    `link`: somebody on the link of its uplink.
    """
    wires = {"outside": NIC, "link": NIC, "laptop": BRIDGE, "box": ""}
    return Places(
        hosts={
            4: {"outside": "198.51.100.7", "link": link[4], "laptop": "10.55.0.2", "box": box[4]},
            6: {"outside": "2001:db8:ffff::80", "link": link[6], "laptop": str(unique[0x20]), "box": box[6]},
        },
        wires={4: wires, 6: wires},
        neighbours={family: {"box": address} for family, address in box.items()},
        lies={
            4: {"outside": "10.55.0.3", "laptop": "10.55.0.66"},
            6: {"outside": str(unique[0x66]), "laptop": "2001:db8:9::66"},
        },
    )

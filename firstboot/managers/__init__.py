"""The programs that configure a machine's uplinks: which there is, what it reads, and how it is made to read it again.

Each is a module with

    NAME, OWNED                 what appliance.yaml calls it, and the files that only the daemon writes
    files(uplinks, facts)       what it shall read, each file with the uplinks that it is about
    READ                        what makes it know that a file is another
    apply(uplink)               what makes it do as they say for one interface: all over the bus, as what a manager
                                starts must not live in the daemon's sandbox, nor end with it
    withdraw(path, facts)       what makes it do without a file of ours that is gone
"""

from __future__ import annotations

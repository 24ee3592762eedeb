"""The programs that configure a machine's uplinks: which there is, what it reads, and how it is made to read it again.

Each is a module with

    NAME, OWNED                 what appliance.yaml calls it, and the files that only the daemon writes
    configures(uplink, facts)   whether it can be told how that uplink shall be: an address that somebody gave by hand
                                is in a file of theirs, which stays as it is
    files(uplinks, facts)       what it shall read, each file with the uplinks that it is about
    read(wrong)                 what makes it know that a file is another, and do as it says for those uplinks whose
                                routes are not right: all over the bus, as what a manager starts must not live in the
                                daemon's sandbox, nor end with it
    apply(uplink)               what makes it do so once more for one interface
    withdraw(path, facts)       what makes it do without a file of ours that is gone
"""

from __future__ import annotations

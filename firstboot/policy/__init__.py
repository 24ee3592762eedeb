"""The firewall's policy: one list of rules for both families, of which everything else is made. Pure."""

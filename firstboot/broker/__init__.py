"""What the tunnel broker has for our tunnel's IPv4 address: telling it, and never more often than it bears."""

"""Whether the tunnel carries, and if not, why."""

"""What a card consists of: partitions, file systems, and the files that hold all of it."""

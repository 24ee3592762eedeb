"""What builds keep: results under keys made from everything that went into them."""

"""The build host's side: makes an SD-card image from a base, without root and without loop devices."""

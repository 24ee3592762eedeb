"""Forms of tunnel, and what each does otherwise than the others."""

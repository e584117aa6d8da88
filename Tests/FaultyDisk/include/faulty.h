// Nothing to call: see disk.c and clock.c.

// Nothing to call: see counter.c.

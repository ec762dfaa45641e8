"""A run as it goes on, seen from outside: its folder is read, and nothing is written to it (docs/watch.md)."""

"""The versions that were tested together, as files that pip takes with ``-c``."""

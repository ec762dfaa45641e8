"""Corpora of any kind in: readers, the check of every file, and the manifests that a run reads."""

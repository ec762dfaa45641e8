"""Run folders side by side: what differs in plan, data, code, labels and scores (docs/comparing-runs.md)."""

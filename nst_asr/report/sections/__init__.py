"""The sections of a report. Each module has NAME, TITLE and context(); its template lies beside it."""

"""Scoring of plain files: readers of the field's formats, named normalisations, and the verb `nst-asr score-wer`.

    files -> texts (formats) -> pairs (pairing) -> normalise -> score -> groups, confusions, comparison -> text, JSON

No run is needed, and no torch is imported.
"""

"""Accuracy of classifiers from plain tables: classes, confusions, calibration, comparison.

    tables -> guesses beside the truth -> score, classes, soft labels, calibration, comparison -> text, JSON

No run and no model is needed, and no torch is imported; `vision/score_accuracy.py` is the verb.
"""

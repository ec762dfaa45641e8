"""Scoring of plain files: readers of the field's formats, named normalisations, and the verb `nst-asr score-wer`.

No run is needed, and no torch is imported. Where to look, in the order of the work:

    verb, request                       the options, and what they ask for
    formats                             which format a file is in; kaldi, trn, ctm, stm, delimited, json_lines and
                                        tables read it (text_lines: their lines; texts: what they all give)
    material                            everything read, laid side by side (pairing: ids that do not agree;
                                        attributes: speakers, durations, side files) and normalised
                                        (normalisation, rules, whisper)
    evaluation                          scored (system; alternatives: the closest reading), parted (groups), counted
                                        (confusions), compared (comparison), estimated (expectation), and what to look
                                        at first (attention)
    summary, alignments, pra, utterances    what is shown and written
"""

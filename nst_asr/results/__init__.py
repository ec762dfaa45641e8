"""What is known of a run, as plain values: results.json (docs/results.md says what is in it)."""

from nst_asr.results.collect import about_run as about_run
from nst_asr.results.collect import collect as collect
from nst_asr.results.collect import teacher_of as teacher_of
from nst_asr.results.collect import write as write
from nst_asr.results.judged import labels as labels
from nst_asr.results.judged import verdicts as verdicts
from nst_asr.results_table import table as table

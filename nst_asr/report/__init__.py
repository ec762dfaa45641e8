"""report.html: what a run did, whether it worked and why, for people; one file that needs no network."""

from nst_asr.report.page import MEDIA_MB as MEDIA_MB
from nst_asr.report.page import report as report

#!/usr/bin/env bash
# Noisy student training on connected digits, stage by stage.
#
#   recipes/digits/run.sh [--stage N] [--stop-stage M] [--exp DIR] [--seed S] [--data DIR] [--config FILE]
#                         [--recordings DIR [--test-speaker NAME]] [key=value ...]
#
# 0 corpus   1 teacher   2 generations   3 oracle   4 test   5 results
#
# --exp         experiment folder; exp/digits in the repository unless given
# --data        corpus folder; digits-corpus-SEED beside the experiment folder unless given
# --config      plan; recipes/digits/conf/digits.yaml unless given, recordings.yaml with --recordings
# --recordings  folder of {digit}_{speaker}_{index}.wav or .flac: real recordings in the place of synthesis
# key=value     changes to the plan, such as teacher.fit.updates=500
#
# Every stage may be given again: what is done is not done twice, and a killed run goes on where it was.
set -euo pipefail

recipe=$(cd "$(dirname "$0")" && pwd)
last_stage=5
options='exp seed data config recordings test_speaker'
paths='exp data config recordings'
exp=
seed=0                     # of corpus and training
data=
config=
recordings=
test_speaker=              # with --recordings: the speaker held out for test (default: the last by name)

. "$recipe/../stages.sh"
read_options "$@"
enter_repository
[ -z "${NST:-}" ] || program=(python "$NST")  # the study's teacher-noised variant
exp=${exp:-exp/digits}
exp=${exp#"$PWD"/}
if [ -z "$config" ]; then
  config=recipes/digits/conf/digits.yaml
  [ -z "$recordings" ] || config=recipes/digits/conf/recordings.yaml
fi
if [ -z "$data" ]; then
  data=$(dirname "$exp")/digits-corpus-$seed
  [ -z "$recordings" ] || data=$(dirname "$exp")/recordings-corpus-$seed-${test_speaker:-last}
fi
truth=(--truth "$data/unlabeled.truth.tsv")

if doing 0; then
  say 0 "the corpus, in $data"
  if [ -n "$recordings" ]; then
    python recipes/digits/recordings.py "$recordings" "$data" --seed "$seed" ${test_speaker:+--test "$test_speaker"}
  else
    python recipes/digits/synthesise.py "$data" --seed "$seed"
  fi
fi
run_stages speech

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

stage=0                    # first stage to do
stop_stage=5               # last stage to do
exp=
seed=0                     # of corpus and training
data=
config=
recordings=
test_speaker=              # with --recordings: the speaker held out for test (default: the last by name)
settings=()                # key=value: changes to the plan
program=(nst-asr)
[ -z "${NST:-}" ] || program=(python "$NST")  # the study's teacher-noised variant

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"; }

NST_ASR_COMMAND=recipes/digits/run.sh$([ $# -eq 0 ] || printf ' %q' "$@")
export NST_ASR_COMMAND
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --*=*) echo "run.sh: give the value of ${1%%=*} as a word of its own: ${1%%=*} ${1#*=}" >&2; exit 2 ;;
    --stage | --stop-stage | --exp | --seed | --data | --config | --recordings | --test-speaker)
      [ $# -ge 2 ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
      name=${1#--}; printf -v "${name//-/_}" '%s' "$2"; shift 2 ;;
    -*) echo "run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    *=*) settings+=("$1"); shift ;;
    *) echo "run.sh: $1 is neither an option nor key=value" >&2; usage >&2; exit 2 ;;
  esac
done
for number in stage stop_stage seed; do
  [[ ${!number} =~ ^[0-9]+$ ]] || { echo "run.sh: --${number//_/-} ${!number}: not a number" >&2; exit 2; }
done
[ "$stage" -le "$stop_stage" ] && [ "$stop_stage" -le 5 ] ||
  { echo "run.sh: --stage $stage --stop-stage $stop_stage: stages are 0 to 5, the first not after the last" >&2; exit 2; }
for name in exp data config recordings; do # relative to where the command was given, not to the repository
  case ${!name} in "" | /*) ;; *) printf -v "$name" '%s' "$PWD/${!name}" ;; esac
done

cd "$(dirname "$0")/../.."
exp=${exp:-exp/digits}
exp=${exp#"$PWD"/}
if [ -d .venv/bin ]; then PATH=$PWD/.venv/bin:$PATH; fi
command -v nst-asr > /dev/null ||
  { echo "run.sh: nst-asr is not installed; make demo or make test sets everything up" >&2; exit 1; }
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
if [ -z "$config" ]; then
  config=recipes/digits/conf/digits.yaml
  [ -z "$recordings" ] || config=recipes/digits/conf/recordings.yaml
fi
if [ -z "$data" ]; then
  data=$(dirname "$exp")/digits-corpus-$seed
  [ -z "$recordings" ] || data=$(dirname "$exp")/recordings-corpus-$seed-${test_speaker:-last}
fi

say() { printf '\n== stage %s: %s\n' "$1" "$2"; }
doing() { [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]; }

nst() { # one stage of the run
  "${program[@]}" run "$config" --exp "$exp" --labeled "$data/labeled.tsv" --unlabeled "$data/unlabeled.tsv" \
    --dev "$data/dev.tsv" --test "$data/test.tsv" --truth "$data/unlabeled.truth.tsv" \
    --only "$1" "seed=$seed" ${settings[@]+"${settings[@]}"}
}

if doing 0; then
  say 0 "the corpus, in $data"
  if [ -n "$recordings" ]; then
    python recipes/digits/recordings.py "$recordings" "$data" --seed "$seed" ${test_speaker:+--test "$test_speaker"}
  else
    python recipes/digits/synthesise.py "$data" --seed "$seed"
  fi
fi
if doing 1; then
  say 1 "the teacher, generation 0, trained on the labeled speech alone"
  nst teacher
fi
if doing 2; then
  say 2 "the generations: label the pool, filter, train a noised student; the student is the next teacher"
  nst generations
fi
if doing 3; then
  say 3 "the oracle: a student trained on the pool's true labels, to see how far there is to go"
  nst oracle
fi
if doing 4; then
  say 4 "every model on the test set, which nothing before has seen"
  nst test
fi
if doing 5; then
  say 5 "results"
  nst-asr results "$exp" --truth "$data/unlabeled.truth.tsv"
  nst-asr report "$exp" > /dev/null
  echo
  echo "results: $exp/results.json    report: $exp/report.html    plots: $exp/plots/"
fi

#!/usr/bin/env bash
# Three small runs that fail, each for one reason that its report is to tell, and one that works, beside them.
#
#   recipes/digits/failures.sh EXP [good|strict|collapsed|leak ...]
#
# good       the recipe with less of everything: 25 minutes in the pool, two generations of 250 updates
# strict     an over-strict filter: one label in a hundred is kept, and learnt by heart
# collapsed  the teacher is trained for 280 updates in the place of 800: it has hardly left CTC's first plateau, where a model
#            writes next to nothing
# leak       labels and scores with a language model whose text is the transcripts of dev. The guard refuses that; the run
#            is told to go on all the same (--allow-overlap)
#
# EXP, relative to the repository, gets the corpus (utterances of up to ten words, so that the guard has eight in a row to
# look at), and for each run a folder with results.json and report.html, NAME.json with its key figures, and NAME.out.
# strict and leak have the teacher of good. One after another; a quarter of an hour on one core. Started again it goes on
# where it was.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
exp=$1
shift
[ $# -gt 0 ] || set -- good strict collapsed leak
for name in "$@"; do
  case $name in good | strict | collapsed | leak) ;; *) echo "failures.sh: $name: no such run" >&2; exit 2 ;; esac
done
cd "$(dirname "$0")/../.."
if [ -d .venv/bin ]; then PATH=$PWD/.venv/bin:$PATH; fi
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
data=$exp/corpus
two='generations=[{filter: {score: 0.5}}, {filter: {score: 0.0}}]'
small=(generation.student.fit.updates=250 generation.student.fit.warmup=50)

run() { # name settings and options of nst-asr run...: all stages but the oracle, then the results
  local name=$1
  shift
  echo "begin $name"
  {
    NST_ASR_COMMAND="recipes/digits/failures.sh $exp $name" \
      nst-asr run recipes/digits/conf/digits.yaml --exp "$exp/$name" --labeled "$data/labeled.tsv" \
      --unlabeled "$data/unlabeled.tsv" --dev "$data/dev.tsv" --test "$data/test.tsv" \
      --truth "$data/unlabeled.truth.tsv" --only teacher --only generations --only test "${small[@]}" "$@"
    nst-asr report "$exp/$name" --truth "$data/unlabeled.truth.tsv"
    python recipes/digits/key_figures.py "$exp/$name" "$exp/$name.json"
  } >> "$exp/$name.out" 2>&1
  echo "end $name"
}

teacher_of_good() { # name: begins with the teacher that good has trained
  [ -e "$exp/good/gen0/score.json" ] || run good "$two"
  [ ! -e "$exp/$1/gen0" ] || return 0
  mkdir -p "$exp/$1"
  cp -r "$exp/good/corpus" "$exp/$1/"
  rm -rf "$exp/$1/gen0.copy"
  mkdir "$exp/$1/gen0.copy"
  cp -r "$exp/good/gen0/student" "$exp/$1/gen0.copy/"
  mv "$exp/$1/gen0.copy" "$exp/$1/gen0"
}

mkdir -p "$exp"
python recipes/digits/synthesise.py "$data" --words 1 10 --unlabeled-minutes 25 --unlabeled-voices 20 --dev-minutes 6 \
  --dev-voices 12 --test-minutes 8 --test-voices 16 2>> "$exp/corpus.out"
for name in "$@"; do
  case $name in
    good) run good "$two" ;;
    strict)
      teacher_of_good strict
      run strict 'generations=[{filter: {top: {share: 0.01}}}, {filter: {top: {share: 0.01}}}]'
      ;;
    collapsed) run collapsed 'generations=[{filter: {}}, {filter: {}}]' teacher.fit.updates=280 teacher.fit.warmup=100 ;;
    leak)
      teacher_of_good leak
      tail -n +2 "$data/dev.tsv" | cut -f 3 > "$exp/dev.txt"
      [ -e "$exp/dev.arpa" ] || nst-asr lm train "$exp/dev.txt" --out "$exp/dev.arpa" --order 6 >> "$exp/leak.out" 2>&1
      run leak "$two" --allow-overlap label.beam=16 "label.lm={path: $exp/dev.arpa}"
      ;;
  esac
done

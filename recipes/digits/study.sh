#!/usr/bin/env bash
# What the whole recipe gives over seeds, and what each of its ingredients, or each way to filter, is worth.
#
#   recipes/digits/study.sh EXP [JOBS [ingredients|filters]]
#
# ingredients: EXP/full-SEED are whole runs; EXP/VARIANT-SEED begin with the same teacher and change one thing in two
# generations. filters: EXP/filter-NAME-SEED are one generation each from the same teacher (EXP/teacher-SEED).
# JOBS run side by side (default 2). Started again it goes on where it was. EXP, relative to the repository, gets tables:
#   python tools/write_results.py EXP/full-? --title ...        [--variants EXP/no-*-? ...]
set -euo pipefail
[ $# -ge 1 ] && [ $# -le 3 ] || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
export EXP=$1
jobs=${2:-2}
what=${3:-ingredients}
[ "$what" = ingredients ] || [ "$what" = filters ] || { echo "study.sh: $what: give ingredients or filters" >&2; exit 2; }
cd "$(dirname "$0")/../.."
mkdir -p "$EXP"

two='generations=[{filter: {score: 0.5}}, {filter: {score: 0.0}}]'
silent='generation.student.noise={dropout: 0.0, survival: 1.0, spec_augment: null, speed: []}'

full() { # seed: the whole recipe
  recipes/digits/run.sh --exp "$EXP/full-$1" --seed "$1" > "$EXP/full-$1.out" 2>&1
}

teacher() { # seed: the whole recipe's teacher alone
  recipes/digits/run.sh --stop-stage 1 --exp "$EXP/teacher-$1" --seed "$1" > "$EXP/teacher-$1.out" 2>&1
}

variant() { from full "$@"; }

filter() { # seed name plan: one generation whose labels are filtered by the plan
  from teacher "$1" "$2" "generations=[{filter: $3}]"
}

from() { # origin seed name settings...: generations from the teacher of EXP/origin-seed
  local origin=$EXP/$1-$2 seed=$2 name=$3
  shift 3
  local exp=$EXP/$name-$seed
  if [ ! -e "$exp/gen0" ]; then
    mkdir -p "$exp"
    cp -r "$origin/corpus" "$exp/"
    cp -r "$origin/gen0" "$exp/gen0.copy"
    mv "$exp/gen0.copy" "$exp/gen0"
  fi
  recipes/digits/run.sh --stage 2 --stop-stage 2 --exp "$exp" --seed "$seed" "$@" > "$exp.out" 2>&1
  recipes/digits/run.sh --stage 4 --exp "$exp" --seed "$seed" "$@" >> "$exp.out" 2>&1
}

one() { # seed name
  case $2 in
    full) full "$1" ;;
    no-noise) variant "$1" "$2" "$two" "$silent" ;;
    no-filter) variant "$1" "$2" 'generations=[{filter: {}}, {filter: {}}]' ;;
    no-stochastic-depth) variant "$1" "$2" "$two" generation.student.noise.survival=1.0 ;;
    from-scratch) variant "$1" "$2" "$two" generation.init=scratch ;;
    labeled-only) variant "$1" "$2" "$two" generation.mix.pseudo_share=0.0 ;;
    teacher) teacher "$1" ;;
    filter-none) filter "$1" "$2" '{}' ;;
    filter-heuristics) filter "$1" "$2" '{rate: {low: 0.8, high: 4.5}, unspoken: 0.8}' ;;
    filter-half-*) filter "$1" "$2" "{top: {share: 0.5, by: ${2#filter-half-}}}" ;;
    filter-target-*) filter "$1" "$2" "{target_error: ${2#filter-target-}}" ;;
    filter-weights) from teacher "$1" "$2" 'generations=[{filter: {}, weigh: calibrated}]' ;;
    teacher-noised) NST=recipes/digits/noised_teacher.py variant "$1" "$2" "$two" ;;
  esac
}
export -f full teacher variant filter from one
export two silent

each() { # variants...: over the seeds, side by side
  for name in "$@"; do for seed in 0 1 2; do echo "$seed $name"; done; done |
    xargs -P "$jobs" -L 1 bash -c 'set -euo pipefail; echo "begin $2 $1"; one "$1" "$2"; echo "end $2 $1"' one
}
if [ "$what" = ingredients ]; then
  each full
  each labeled-only no-noise no-filter teacher-noised no-stochastic-depth from-scratch
else
  each teacher
  each filter-none filter-heuristics filter-half-{normalised_score,calibrated} filter-target-{0.05,0.1} filter-weights \
    filter-half-logprob_per_token
fi

# What every run.sh shares: options, stages, environment. A recipe sets `options` (variables that take a value, their
# defaults among them), `paths` (those of them that name files) and `last_stage`, and sources this; its own head is the help.
# Among the options are exp, data, config and seed.
# shellcheck shell=bash

stage=0                    # first stage to do
stop_stage=$last_stage     # last stage to do
settings=()                # key=value: changes to the plan
program=(nst-asr)          # what does the stages of a run
truth=()                   # --truth FILE, where the labels of the pool are known

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$recipe/run.sh"; }

refuse() { echo "run.sh: $1" >&2; exit "${2:-2}"; }

read_options() { # the command line, into the variables that `options` names
  local name number known=" stage stop_stage $options "
  while [ $# -gt 0 ]; do
    name=${1#--} name=${name//-/_}
    case "$1" in
      -h | --help) usage; exit 0 ;;
      --*=*) refuse "give the value of ${1%%=*} as a word of its own: ${1%%=*} ${1#*=}" ;;
      --*)
        [[ $known == *" $name "* ]] || { echo "run.sh: unknown option $1" >&2; usage >&2; exit 2; }
        [ $# -ge 2 ] || refuse "$1 needs a value"
        printf -v "$name" '%s' "$2"; shift 2 ;;
      -*) echo "run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
      *=*) settings+=("$1"); shift ;;
      *) echo "run.sh: $1 is neither an option nor key=value" >&2; usage >&2; exit 2 ;;
    esac
  done
  for number in stage stop_stage seed; do
    [[ ${!number} =~ ^[0-9]*$ ]] || refuse "--${number//_/-} ${!number}: not a number"
  done
  [ "$stage" -le "$stop_stage" ] && [ "$stop_stage" -le "$last_stage" ] ||
    refuse "--stage $stage --stop-stage $stop_stage: stages are 0 to $last_stage, the first not after the last"
  for name in $paths; do # relative to where the command was given, not to the repository
    case ${!name} in "" | /*) ;; *) printf -v "$name" '%s' "$PWD/${!name}" ;; esac
  done
}

enter_repository() { # and find its programs
  cd "$recipe/../.."
  if [ -d .venv/bin ]; then PATH=$PWD/.venv/bin:$PATH; fi
  command -v nst-asr > /dev/null || refuse "nst-asr is not installed; make demo or make test sets everything up" 1
  export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
}

say() { printf '\n== stage %s: %s\n' "$1" "$2"; }
doing() { [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]; }

nst() { # one stage of the run
  "${program[@]}" run "$config" --exp "$exp" --labeled "$data/labeled.tsv" --unlabeled "$data/unlabeled.tsv" \
    --dev "$data/dev.tsv" --test "$data/test.tsv" ${truth[@]+"${truth[@]}"} --only "$1" ${seed:+"seed=$seed"} \
    ${settings[@]+"${settings[@]}"}
}

show_results() {
  nst-asr results "$exp" ${truth[@]+"${truth[@]}"}
  nst-asr report "$exp" ${truth[@]+"${truth[@]}"} > /dev/null
  echo
  echo "results: $exp/results.json    report: $exp/report.html    plots: $exp/plots/"
}

run_stages() { # 1 to 5 of a corpus whose pool has a known truth; $1: what is labeled
  if doing 1; then
    say 1 "the teacher, generation 0, trained on the labeled $1 alone"
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
    show_results
  fi
}

NST_ASR_COMMAND=recipes/$(basename "$recipe")/run.sh$([ $# -eq 0 ] || printf ' %q' "$@")
export NST_ASR_COMMAND

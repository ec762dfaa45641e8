#!/usr/bin/env bash
# Noisy student training on LibriSpeech, or on any corpus laid out like it, stage by stage.
#
#   recipes/librispeech/run.sh --config conf/NAME.yaml [--corpus DIR] [--stage N] [--stop-stage M] [--exp DIR] [--data DIR]
#                              [--seed S] [--oracle yes] [--processes P] [key=value ...]
#
# 0 corpus   1 manifests   2 tokenizer   3 teacher   4 generations   5 test   6 results
#
# --config      the plan, which also names the parts of the corpus: conf/smoke.yaml, conf/excerpt.yaml,
#               conf/100-860.yaml
# --corpus      the folder that holds the parts; without it LibriSpeech is downloaded to corpus/LibriSpeech
# --exp         experiment folder; exp/librispeech-NAME unless given
# --seed        instead of the configuration's
# --data        folder of the manifests; EXP-manifests unless given
# --oracle yes  stage 4 also trains on the pool's true transcripts, to see how far there is to go
# --processes   one for each GPU (torchrun); 1 unless given
# key=value     changes to the plan, such as teacher.fit.updates=500
#
# Every stage may be given again: what is done is not done twice (but for the manifests, which take seconds), and a killed
# run goes on where it was.
set -euo pipefail

recipe=$(cd "$(dirname "$0")" && pwd)
last_stage=6
options='exp seed data config corpus oracle processes'
paths='exp data corpus'
exp=
seed=                      # that of the configuration
data=
config=
corpus=
oracle=no
processes=1

. "$recipe/../stages.sh"
read_options "$@"
[ -n "$config" ] || refuse "name a configuration, such as --config conf/smoke.yaml"
for place in "$config" "$recipe/$config"; do # from where the command was given, or from the recipe's folder
  if [ -f "$place" ]; then config=$(cd "$(dirname "$place")" && pwd)/$(basename "$place"); break; fi
done
[ -f "$config" ] || refuse "--config $config: no such file, neither here nor in $recipe"
[[ $oracle == yes || $oracle == no ]] || refuse "--oracle $oracle: yes or no"
[[ $processes =~ ^[1-9][0-9]*$ ]] || refuse "--processes $processes: not a number of processes"
enter_repository
exp=${exp:-exp/librispeech-$(basename "$config" .yaml)}
exp=${exp#"$PWD"/}
exp=${exp%/}
data=${data:-$exp-manifests}
config=${config#"$PWD"/}
[ "$processes" = 1 ] || program=(torchrun --standalone --nproc-per-node "$processes" -m nst_asr.cli)

part_folders() { # set: its folders, one a line
  python recipes/librispeech/parts.py "$config" "${corpus:-corpus/LibriSpeech}" "$1"
}

prepare() { # set options...: its manifest
  local lines folder folders=()
  lines=$(part_folders "$1")
  while IFS= read -r folder; do folders+=("$folder"); done <<< "$lines"
  nst-asr prepare librispeech "${folders[@]}" --out "$data/$1.tsv" "${@:2}"
}

if doing 0; then
  say 0 "the corpus, in ${corpus:-corpus/LibriSpeech}"
  if [ -n "$corpus" ]; then # one's own: only looked at
    for set in labeled unlabeled dev test; do part_folders "$set" > /dev/null; done
  else
    python recipes/librispeech/parts.py "$config" corpus/LibriSpeech --download
  fi
fi
if doing 1; then
  say 1 "manifests of labeled, unlabeled, dev and test speech, in $data"
  for set in labeled dev test; do prepare "$set"; done
  # the pool's transcripts, where there are any, go to a file that only the report and the oracle read
  prepare unlabeled --unlabeled --truth "$data/unlabeled.truth.tsv"
fi
if [ "$(head -n 2 "$data/unlabeled.truth.tsv" 2> /dev/null | wc -l)" -eq 2 ]; then truth=(--truth "$data/unlabeled.truth.tsv"); fi
if doing 2; then
  say 2 "the tokenizer, learnt from the labeled transcripts"
  nst tokenizer
fi
if doing 3; then
  say 3 "the teacher, generation 0, trained on the labeled speech alone"
  nst teacher
fi
if doing 4; then
  say 4 "the generations: label the pool, filter, train a noised student; the student is the next teacher"
  nst generations
  if [ "$oracle" = yes ]; then nst oracle; fi
fi
if doing 5; then
  say 5 "every model on the test set, which nothing before has seen"
  nst test
fi
if doing 6; then
  say 6 "results"
  show_results
fi

#!/usr/bin/env bash
# Noisy Student on ImageNet (Xie et al. 2020), or on any images laid out like it, stage by stage.
#
#   recipes/imagenet/run.sh --train TRAIN --val VAL --pool POOL [--stage N] [--stop-stage M] [--exp DIR] [--data DIR]
#                           [--config FILE] [--nets "b0 b1 ..."] [--dev AMOUNT] [--l2 WEIGHTS] [--imagenet-a DIR]
#                           [--imagenet-c DIR] [--imagenet-p DIR] [--seed S] [--processes P] [key=value ...]
#
# 0 data   1 teacher   2 generations   3 B0 to B7, taught by their own size and by L2   4 larger images (FixRes)
# 5 robustness   6 results
#
# --train       labeled images: a folder of class folders, or WebDataset shards (a folder, a .tar, a pattern, a brace list)
# --val         what becomes test, as --train; without it a fifth of train
# --pool        images without labels, as --train; without it nine tenths of train
# --dev         images of train to steer by, a number or a share: 10,000 or 0.02, whichever is less
# --exp         folder of the runs; exp/imagenet in the repository unless given
# --data        folder of the manifests; EXP-data unless given
# --config      plan of stages 1 and 2; conf/b7-l2.yaml unless given. conf/smoke.yaml does every stage with tiny nets
# --nets        those of stage 3; all from b0 to b7 unless given
# --l2          published weights of L2 (at 475 pixels), in the place of what stages 1 and 2 give
# --imagenet-a  (-c, -p) where these sets are unpacked, for stage 5
# --seed        instead of the plans'
# --processes   one for each GPU (torchrun); 1 unless given
# key=value     changes to the plans of the stages that are done, such as teacher.fit.accumulate=16
#
# Every stage may be given again: what is done is not done twice, and a killed run goes on where it was. Without --train,
# which conf/smoke.yaml alone allows, the images are scikit-learn's digits.
set -euo pipefail

recipe=$(cd "$(dirname "$0")" && pwd)
last_stage=6
options='exp seed data config train val pool dev nets l2 imagenet_a imagenet_c imagenet_p processes'
paths='exp data train val pool l2 imagenet_a imagenet_c imagenet_p'
exp=
seed=                      # that of the plans
data=
config=conf/b7-l2.yaml
train=
val=
pool=
dev=
nets=
l2=
imagenet_a=
imagenet_c=
imagenet_p=
processes=1

. "$recipe/../stages.sh"
read_options "$@"
for place in "$config" "$recipe/$config"; do # from where the command was given, or from the recipe's folder
  if [ -f "$place" ]; then config=$(cd "$(dirname "$place")" && pwd)/$(basename "$place"); break; fi
done
[ -f "$config" ] || refuse "--config $config: no such file, neither here nor in $recipe"
[[ $processes =~ ^[1-9][0-9]*$ ]] || refuse "--processes $processes: not a number of processes"
smoke=; case $config in */smoke.yaml) smoke=yes ;; esac
if doing 0 && [ -z "$train" ] && [ -z "$smoke" ]; then refuse "stage 0 needs the images: --train SOURCE"; fi
for net in $nets; do
  [ -n "$smoke" ] || [ -f "$recipe/conf/$net.yaml" ] || refuse "--nets $net: there is no conf/$net.yaml"
done
enter_repository
exp=${exp:-exp/imagenet}
exp=${exp#"$PWD"/}
exp=${exp%/}
data=${data:-$exp-data}
[ "$processes" = 1 ] || program=(torchrun --standalone --nproc-per-node "$processes" -m nst_asr.cli)
if [ -f "$data/unlabeled.truth.tsv" ]; then truth=(--truth "$data/unlabeled.truth.tsv"); fi

chain=$exp/chain                                # the run of stages 1 and 2
fixres=recipes/imagenet/conf/fixres.yaml
own=() from_l2=(allow_smaller=true) fixed=()    # what makes of a plan that of stage 3, its second half, and stage 4
if [ -n "$smoke" ]; then
  # one plan does for all: a tiny net in the place of each
  fixres=$config nets=tiny dev=${dev:-0.1}
  own=(generations=1 'generation.student.model={name: resnet6, width: 0.25}')
  from_l2+=("${own[@]}" 'teacher.model={name: resnet9, width: 0.5}')
  fixed=(generations=1 'teacher.model={name: resnet9, width: 0.5}' generation.init=teacher
    'generation.mix={pseudo_share: 0.0}' generation.student.first=none
    'generation.student.fine_tune={resolution: 20, fit: {updates: 20, batch: 32, warmup: 2, threads: 1}}')
else
  from_l2+=(teacher.model.name=efficientnet_l2 teacher.resolution=475 teacher.crop=0.936
    teacher.noise.rand_augment='{ops: 2, magnitude: 27.0}' teacher.noise.dropout=0.5)
fi
nets=${nets:-b0 b1 b2 b3 b4 b5 b6 b7}

plan_of() { if [ -n "$smoke" ]; then echo "$config"; else echo "recipes/imagenet/conf/$1.yaml"; fi; }

go() { # run plan stages settings...: some stages of a run, by commas
  local folder=$1 plan=$2 stages=() pool=unlabeled known=(${truth[@]+"${truth[@]}"}) stage
  for stage in ${3//,/ }; do stages+=(--only "$stage"); done
  if [ "$folder" = "$exp/fixres" ]; then pool=few known=(); fi # it is labeled, and nobody learns from it
  "${program[@]}" run "$plan" --exp "$folder" --labeled "$data/labeled.parquet" --unlabeled "$data/$pool.parquet" \
    --dev "$data/dev.parquet" --test "$data/test.parquet" ${known[@]+"${known[@]}"} "${stages[@]}" ${seed:+"seed=$seed"} \
    "${@:4}" ${settings[@]+"${settings[@]}"}
}

teach() { # model run: the model becomes the run's first teacher
  [ ! -e "$2/gen0/student" ] || return 0
  mkdir -p "$2/gen0"
  cp -r "$1" "$2/gen0/student.copy"
  mv "$2/gen0/student.copy" "$2/gen0/student"
}

last_of() { # run: the model that would teach next
  local decision number
  decision=$(find "$1" -path '*/gen*/6-teacher.json' | sort -V | tail -n 1)
  [ -n "$decision" ] || refuse "$1 has no student yet; do stages 1 and 2, or give --l2 WEIGHTS" 1
  number=$(sed -n 's/.*"teacher": \([0-9]*\).*/\1/p' "$decision")
  if [ "$number" = 0 ]; then echo "$1/gen0/student"; else echo "$1/gen$number/4-student"; fi
}

find_l2() { # set `l2_model`: the folder of the published weights, or of what the chain has come to
  l2_model=$exp/l2
  if [ -z "$l2" ]; then l2_model=$(last_of "$chain"); return; fi
  [ -e "$l2_model" ] || python tools/import_weights.py "$l2" --net efficientnet_l2 --classes "$data/labeled.parquet" \
    --resolution 475 --crop 0.936 --out "$l2_model"
}

share_labels() { # run: takes what the same teacher has labeled in a run before; parts of another are refused
  local labels
  for labels in "$exp"/*-from-l2/gen1/1-labels; do
    if [ -e "$labels" ] && [ ! -e "$1/gen1/1-labels" ] && [ "${labels%/gen1/1-labels}" != "$1" ]; then
      mkdir -p "$1/gen1"
      cp -r "$labels" "$1/gen1/labels.copy"
      mv "$1/gen1/labels.copy" "$1/gen1/1-labels"
    fi
  done
}

if doing 0; then
  say 0 "the manifests of labeled images, pool, dev and test, in $data"
  python recipes/imagenet/data.py "$data" ${train:+--train "$train"} ${val:+--val "$val"} ${pool:+--pool "$pool"} \
    ${dev:+--dev "$dev"} ${seed:+--seed "$seed"}
  if [ -f "$data/unlabeled.truth.tsv" ]; then truth=(--truth "$data/unlabeled.truth.tsv"); fi
fi
if doing 1; then
  say 1 "the teacher, generation 0, trained on the labeled images alone"
  go "$chain" "$config" teacher
fi
if doing 2; then
  say 2 "the generations: label the pool, filter, balance, train a larger noised student; the student is the next teacher"
  go "$chain" "$config" generations,test
fi
if doing 3; then
  say 3 "smaller nets, each taught by its own size and by L2: $nets"
  find_l2
  for net in $nets; do
    # the chain's first teacher is one of these too
    case $net in b7 | tiny) [ ! -e "$chain/gen0/student" ] || teach "$chain/gen0/student" "$exp/$net" ;; esac
    go "$exp/$net" "$(plan_of "$net")" teacher,generations,test ${own[@]+"${own[@]}"}
    teach "$l2_model" "$exp/$net-from-l2"
    share_labels "$exp/$net-from-l2"
    go "$exp/$net-from-l2" "$(plan_of "$net")" generations,test "${from_l2[@]}"
  done
fi
if doing 4; then
  say 4 "the last L2 on larger images, all but its last stage frozen"
  find_l2
  teach "$l2_model" "$exp/fixres"
  go "$exp/fixres" "$fixres" generations,test ${fixed[@]+"${fixed[@]}"}
fi
if doing 5; then
  say 5 "robustness"
  sets=()
  for name in a c p; do
    place=imagenet_$name
    [ -z "${!place}" ] || sets+=("--imagenet-$name" "${!place}")
  done
  models=()
  for place in "$chain/gen0/student" "$exp/l2" "$chain"/gen[1-9]/4-student "$exp/fixres/gen1/4-student"; do
    [ ! -f "$place/HASH" ] || models+=("$place")
  done
  [ ${#models[@]} -gt 0 ] || refuse "there is no model yet; do stages 1 and 2, or give --l2 WEIGHTS" 1
  if [ -n "$smoke" ] && [ ${#sets[@]} -eq 0 ]; then
    python tools/make_corrupted.py "$data/test.parquet" "$data/corrupted" --size 32 --number 20
    sets=(--cifar-c "$data/corrupted/corrupted" --cifar-p "$data/corrupted/perturbed")
  fi
  if [ ${#sets[@]} -eq 0 ]; then
    echo "left out: name a set with --imagenet-a, --imagenet-c or --imagenet-p"
  else
    python tools/score_robustness.py "${models[@]}" "${sets[@]}" --json "$exp/robustness.json"
  fi
fi
if doing 6; then
  say 6 "results"
  runs=()
  for place in "$exp"/*/; do
    place=${place%/}
    [ ! -f "$place/run.json" ] || [ ! -f "$place/gen0/test.json" ] || runs+=("$place")
  done
  [ ${#runs[@]} -gt 0 ] || refuse "$exp: no run has been scored on test yet; do the other stages first" 1
  for place in "${runs[@]}"; do
    printf '\n-- %s\n' "$place"
    (exp=$place; show_results)
  done
  python tools/write_results.py "${runs[@]}" --by-run --unfinished --title "ImageNet" > "$exp/results.md"
  echo
  cat "$exp/results.md"
fi

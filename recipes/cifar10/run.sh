#!/usr/bin/env bash
# Noisy student training on CIFAR-10, stage by stage: from 5,000 labeled images and a pool without labels.
#
#   recipes/cifar10/run.sh [--stage N] [--stop-stage M] [--exp DIR] [--seed S] [--data SOURCE] [--test-data SOURCE]
#                          [--config FILE] [--jobs J] [--only NAME] [--corrupted N] [key=value ...]
#
# 0 data   1 RandAugment grid   2 supervised baselines   3 chain of the small nets   4 numbers of labels
# 5 chain of ResNets   6 ablations   7 robustness   8 results
#
# --data       CIFAR-10: the folder of its binary version (data_batch_1.bin, ...), a folder of class folders, or a .tar
#              of one; or the environment variable CIFAR10. Stage 0 alone needs it
# --test-data  the 10,000 test images: as --data, or a manifest. Without them, and without test_batch.bin beside the
#              rest, test is 5,000 of the 50,000
# --exp        experiment folder; exp/cifar10 in the repository unless given. Runs are in EXP/seed-S/NAME, manifests in
#              cifar10-data-S beside EXP, tables in EXP/results.md
# --config     plan; recipes/cifar10/conf/small.yaml (CPU) unless given; conf/study.yaml is for stage 5 on a GPU
# --jobs       runs side by side, of one thread each; 1 unless given
# --only       this run alone, with the teacher that it shares; or all of a pattern, such as 'ablation-no-*'
# --corrupted  test images that stage 7 corrupts; 1000 unless given
# key=value    changes to the plan that all runs begin with, such as generation.student.fit.updates=500
#
# Every stage may be given again: what is done is not done twice, and a killed run goes on where it was. A run that fails
# does not stop the others; its log is named, and the exit status is 1.
set -euo pipefail

recipe=$(cd "$(dirname "$0")" && pwd)
last_stage=8
options='exp seed data test_data config jobs only corrupted'
paths='exp data test_data config'
exp=
seed=0                     # of the draw of the sets and of training
data=${CIFAR10:-}
test_data=
config=
jobs=1
only=
corrupted=1000

. "$recipe/../stages.sh"
read_options "$@"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || refuse "--jobs $jobs: not a number of runs"
[[ $corrupted =~ ^[1-9][0-9]*$ ]] || refuse "--corrupted $corrupted: not a number of images"
if doing 0 && [ -z "$data" ]; then refuse "stage 0 needs the images: --data SOURCE, or the environment variable CIFAR10"; fi
enter_repository
exp=${exp:-exp/cifar10}
exp=${exp#"$PWD"/}
exp=${exp%/}
config=${config:-recipes/cifar10/conf/small.yaml}
config=${config#"$PWD"/}
manifests=$(dirname "$exp")/cifar10-data-$seed

failed=0
study() { # stage what: its runs
  say "$1" "$2"
  python recipes/cifar10/study.py "$exp" "$manifests" --stage "$1" --config "$config" --seed "$seed" --jobs "$jobs" \
    --corrupted "$corrupted" ${only:+--only "$only"} ${settings[@]+"${settings[@]}"} || failed=$?
  [ "$failed" -le 1 ] || exit "$failed" # interrupted
}

if doing 0; then
  say 0 "the manifests, in $manifests"
  python recipes/cifar10/data.py "$data" "$manifests" --seed "$seed" ${test_data:+--test-data "$test_data"}
fi
if doing 1; then study 1 "RandAugment: operations and magnitudes, smallest and largest net, on dev"; fi
if doing 2; then study 2 "supervised baselines of the small nets, with noise and without"; fi
if doing 3; then study 3 "the chain of the small nets on soft and on hard labels, and the oracle"; fi
if doing 4; then study 4 "the largest small net on more and fewer labels, supervised"; fi
if doing 5; then study 5 "ResNet-20 to ResNet-38: baselines, chain on soft and on hard labels, oracle"; fi
if doing 6; then study 6 "ablations of one generation"; fi
if doing 7; then study 7 "robustness of the largest net before and after, on $corrupted test images"; fi
if doing 8; then
  say 8 "results"
  python recipes/cifar10/tables.py "$exp"
fi
exit "$failed"

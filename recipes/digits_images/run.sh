#!/usr/bin/env bash
# Noisy student training on scikit-learn's handwritten digits, stage by stage. Nothing is fetched.
#
#   recipes/digits_images/run.sh [--stage N] [--stop-stage M] [--exp DIR] [--seed S] [--data DIR] [--config FILE]
#                                [key=value ...]
#
# 0 data   1 teacher   2 generations   3 oracle   4 test   5 results
#
# --exp      experiment folder; exp/digits-images in the repository unless given
# --seed     of the draw of the sets and of training; 0 unless given
# --data     folder of the images and their manifests; digits-images-data-SEED beside the experiment folder unless given
# --config   plan; recipes/digits_images/conf/digits.yaml unless given
# key=value  changes to the plan, such as generation.student.fit.updates=800
#
# Every stage may be given again: what is done is not done twice, and a killed run goes on where it was.
set -euo pipefail

recipe=$(cd "$(dirname "$0")" && pwd)
last_stage=5
options='exp seed data config'
paths='exp data config'
exp=
seed=0
data=
config=

. "$recipe/../stages.sh"
read_options "$@"
enter_repository
exp=${exp:-exp/digits-images}
exp=${exp#"$PWD"/}
config=${config:-recipes/digits_images/conf/digits.yaml}
data=${data:-$(dirname "$exp")/digits-images-data-$seed}
truth=(--truth "$data/unlabeled.truth.tsv")

if doing 0; then
  say 0 "the images, in $data: 50 labeled, 200 in dev, 500 in test, the rest a pool without its labels"
  nst-asr prepare-images digits "$data/digits.tar" --out "$data/labeled.tsv" --hold-out dev=200 --hold-out test=500 \
    --labeled-number 50 --seed "$seed"
fi
run_stages images

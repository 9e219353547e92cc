#!/usr/bin/env bash
# NYC taxi demand: train on the first 30 %, then say what was expected at every point and which points alert.
#   examples/taxi.sh nyc_taxi.csv OUT        the file is that of the Numenta Anomaly Benchmark
set -euo pipefail
data="$1" out="$2" eddy="${EDDY:-./run eddy}"
$eddy train --detector isolation-forest --param features=differences,season --window 48 \
  --data "$data" --interval 30m --train-share 0.3 --name taxi --out "$out/model"
# the model works on any CSV file with these columns; live: 'eddy models publish' and 'eddy produce taxi'
$eddy predict --model "$out/model" --data "$data" --out "$out/predictions.csv"

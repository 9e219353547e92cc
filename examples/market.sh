#!/usr/bin/env bash
# Market data: prices of several instruments in one CSV file (series,time,value); moves matter, not levels.
#   examples/market.sh prices.csv OUT
set -euo pipefail
data="$1" out="$2" eddy="${EDDY:-./run eddy}"
$eddy train --detector isolation-forest --param features=differences,window --window 30 \
  --data "$data" --interval 1m --train-share 0.5 --name market --out "$out/model"
$eddy predict --model "$out/model" --data "$data" --out "$out/predictions.csv"

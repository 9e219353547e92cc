#!/usr/bin/env bash
# A folder of CSV files, one series each, forecast by dynamic mode decomposition.
#   examples/dmd_folder.sh FOLDER OUT        live: 'eddy produce folder FOLDER' sends what is put there
set -euo pipefail
data="$1" out="$2" eddy="${EDDY:-./run eddy}"
$eddy train --detector dmd --window 49 --data "$data" --interval 10m --train-share 0.5 --name dmd --out "$out/model"
$eddy predict --model "$out/model" --data "$data" --out "$out/predictions.csv"

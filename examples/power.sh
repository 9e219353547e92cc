#!/usr/bin/env bash
# Household power: seven features that belong together, as UCI publishes them; anomalies are put in and looked for.
#   examples/power.sh household_power_consumption.txt OUT
set -euo pipefail
data="$1" out="$2" eddy="${EDDY:-./run eddy}"
$eddy evaluate power --data "$data" --detector consistency --anomalies 8 --seed 1 --out "$out" --json

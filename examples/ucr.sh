#!/usr/bin/env bash
# One series, one anomaly: the UCR anomaly archive. Shape is what breaks there, so a discord finds it.
#   examples/ucr.sh FOLDER        folder of files such as 135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt
set -euo pipefail
data="$1" eddy="${EDDY:-./run eddy}"
$eddy evaluate ucr --data "$data" --detector left-discord --json

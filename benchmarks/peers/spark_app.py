"""Run the workload on Spark Structured Streaming: ``transformWithStateInPandas`` over RocksDB state, in micro-batches.

    python spark_app.py CONFIG JARS

Grouped by Kafka partition, so that a call of the processor gets many series and scores them at once. RocksDB with
changelog checkpointing, as Spark's guide recommends. ``availableNow`` runs the same micro-batches as an endless query,
up to the newest event at the start. Prints its own progress reports as the last line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from pyspark.sql.streaming import StatefulProcessor, StatefulProcessorHandle
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from benchmarks.measuring.message_forms import SPARK
from benchmarks.peers.config import Config
from benchmarks.peers.detectors import load
from benchmarks.peers.windows import BatchScorer, encode

TRIGGER_EVENTS = 1_000_000  # large micro-batches suit it: a trigger has fixed costs of about a second
MIN_TRIGGERS = 3  # the first is start-up, the rest is the steady state
STATE = StructType([StructField("names", StringType()), StructField("history", BinaryType())])
ALERT = StructType([StructField("key", StringType()), StructField("value", StringType())])
_providers = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"


class PartitionWindows(StatefulProcessor):
    """Keep the windows of one partition's series."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def init(self, handle: StatefulProcessorHandle) -> None:
        self._state = handle.getValueState("windows", STATE)
        self._detector = load(Path(self._config.model))  # a task per core, so one thread for each

    def handleInputRows(self, key: Any, rows: Iterator[pd.DataFrame], timers: Any) -> Iterator[pd.DataFrame]:
        names: dict[str, int] = {}
        history = None
        if self._state.exists():
            stored = self._state.get()
            names = json.loads(stored[0])
            history = np.frombuffer(stored[1]).reshape(len(names), -1).copy()
        scorer = BatchScorer(self._detector, names, history)
        found = []
        for frame in rows:
            found += scorer.score_batch(frame["series"].tolist(), frame["ts"].to_numpy(), frame["value"].to_numpy())
        self._state.update((json.dumps(scorer.names), scorer.history.tobytes()))
        alerts = [(series, encode(series, ts, score).decode()) for series, ts, score in found]
        yield pd.DataFrame(alerts, columns=["key", "value"])

    def close(self) -> None:
        pass


def main() -> None:
    config, jars = Config.read(sys.argv[1]), sys.argv[2]
    folder = Path(config.folder)
    spark = (
        SparkSession.builder.master(f"local[{config.cores}]")
        .config("spark.jars", jars)
        .config("spark.driver.memory", "3g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", config.cores)
        .config("spark.sql.streaming.stateStore.providerClass", _providers)
        .config("spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled", "true")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 100_000)
        .config("spark.local.dir", str(folder / "local"))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    trigger = min(TRIGGER_EVENTS, -(-config.events // MIN_TRIGGERS))
    raw = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", config.bootstrap)
        .option("subscribe", config.topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", trigger)
        .load()
    )
    schema, series, ts, value = SPARK[config.form]
    event = f.from_json(f.col("value").cast("string"), schema).alias("e")
    columns = ["partition", f"{series} AS series", f"{ts} AS ts", f"{value} AS value"]
    events = raw.select(f.col("partition"), event).selectExpr(*columns)
    alerts = events.groupBy("partition").transformWithStateInPandas(
        PartitionWindows(config), outputStructType=ALERT, outputMode="Append", timeMode="None"
    )
    query = (
        alerts.writeStream.format("kafka")
        .option("kafka.bootstrap.servers", config.bootstrap)
        .option("topic", config.alerts)
        .option("checkpointLocation", str(folder / "checkpoint"))
        .outputMode("append")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    reports = [json.loads(json.dumps(p, default=str)) if isinstance(p, dict) else json.loads(p.json)
               for p in query.recentProgress]  # fmt: skip
    spark.stop()
    print(json.dumps(reports))


if __name__ == "__main__":
    main()

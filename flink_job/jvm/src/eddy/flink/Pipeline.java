package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/** The JVM ends of the job's graph; flink_job/graph/java_pipeline.py calls them. Options are plain texts, see there. */
public final class Pipeline {
    private static final TypeInformation<byte[]> BYTES = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;

    private Pipeline() {}

    /** Observations as frames per shard: rows of (shard key, frame). */
    public static SingleOutputStreamOperator<Row> shards(
            StreamExecutionEnvironment env, Map<String, String> options, Map<String, String> client) {
        KafkaSourceBuilder<RawEvent> source =
                KafkaSource.<RawEvent>builder()
                        .setTopics(options.get("observations"))
                        .setGroupId(options.get("group"))
                        .setStartingOffsets(starting(options.get("start_from")))
                        .setDeserializer(new RawEventSchema())
                        .setProperties(properties(client));
        if (Boolean.parseBoolean(options.get("bounded"))) {
            source.setBounded(OffsetsInitializer.latest());
        }
        return env.fromSource(source.build(), WatermarkStrategy.noWatermarks(), "observations")
                .uid("observations")
                .transform("shards", Types.ROW(Types.INT, BYTES), new ShardBatcher(new HashMap<>(options)))
                .uid("shards");
    }

    /** The feedback topic as frames, beside those of the observations. */
    public static DataStream<Row> withFeedback(
            SingleOutputStreamOperator<Row> shards,
            StreamExecutionEnvironment env,
            Map<String, String> options,
            Map<String, String> client) {
        KafkaSourceBuilder<Row> source =
                KafkaSource.<Row>builder()
                        .setTopics(options.get("feedback"))
                        .setGroupId(options.get("group") + "-feedback")
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setDeserializer(new FeedbackSchema(options))
                        .setProperties(properties(client));
        if (Boolean.parseBoolean(options.get("bounded"))) {
            source.setBounded(OffsetsInitializer.latest());
        }
        return shards.union(
                env.fromSource(source.build(), WatermarkStrategy.noWatermarks(), "feedback")
                        .uid("feedback")
                        .setParallelism(1));
    }

    /** Observations that go into no frame, too large ones and skipped ones, as dead letters. */
    public static DataStream<byte[]> unusable(SingleOutputStreamOperator<Row> shards) {
        return shards.getSideOutput(ShardBatcher.UNUSABLE);
    }

    /**
     * The registry topic: one record (as in {@link Outputs}) per message, a tombstone without a value. Of one that is
     * larger than any model can be goes what was found, for topic 1.
     */
    public static DataStream<byte[]> models(
            StreamExecutionEnvironment env, Map<String, String> options, Map<String, String> client) {
        KafkaSourceBuilder<byte[]> source =
                KafkaSource.<byte[]>builder()
                        .setTopics(options.get("models"))
                        .setGroupId(options.get("group") + "-models")
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setDeserializer(new RegistrySchema(Integer.parseInt(options.get("max_message_bytes"))))
                        .setProperties(properties(client));
        if (Boolean.parseBoolean(options.get("bounded"))) {
            source.setBounded(OffsetsInitializer.latest());
        }
        return env.fromSource(source.build(), WatermarkStrategy.noWatermarks(), "models").uid("models").setParallelism(1);
    }

    /** Writes frames of records to their topics. */
    public static void publish(DataStream<byte[]> frames, Map<String, String> options, Map<String, String> client) {
        boolean exactlyOnce = "exactly-once".equals(options.get("delivery"));
        KafkaSink<byte[]> sink =
                KafkaSink.<byte[]>builder()
                        .setBootstrapServers(client.get("bootstrap.servers"))
                        .setKafkaProducerConfig(properties(client))
                        .setRecordSerializer(new Outputs.Schema(options.get("topics").split(",")))
                        .setDeliveryGuarantee(exactlyOnce ? DeliveryGuarantee.EXACTLY_ONCE : DeliveryGuarantee.AT_LEAST_ONCE)
                        .setTransactionalIdPrefix(options.get("group"))
                        .build();
        frames.flatMap(new Outputs.Split(Integer.parseInt(options.get("mark")))).returns(BYTES).name("records").uid("records")
                .sinkTo(sink).name("kafka").uid("kafka");
    }

    /** The alerts of each frame of records, and its mark of a checkpoint: all under one key, as rows of (key, frame). */
    public static SingleOutputStreamOperator<Row> alerts(DataStream<byte[]> frames, Map<String, String> options) {
        return frames.flatMap(new Outputs.Alerts(Integer.parseInt(options.get("alerts")), Integer.parseInt(options.get("mark"))))
                .returns(Types.ROW(Types.INT, BYTES)).name("alerts").uid("alerts");
    }

    private static OffsetsInitializer starting(String from) {
        if ("latest".equals(from)) {
            return OffsetsInitializer.latest();
        }
        if ("committed".equals(from)) {
            return Internals.committedOrEarliest();
        }
        if ("earliest".equals(from)) {
            return OffsetsInitializer.earliest();
        }
        return OffsetsInitializer.timestamp(Long.parseLong(from));
    }

    private static Properties properties(Map<String, String> map) {
        Properties properties = new Properties();
        properties.putAll(map);
        return properties;
    }

    private static final class RegistrySchema extends Internals.Reader<byte[]> {
        private static final long serialVersionUID = 1L;
        private static final int NAME_BYTES = 1024; // no model's name is longer

        private final int maxBytes;

        RegistrySchema(int maxBytes) {
            this.maxBytes = maxBytes;
        }

        @Override
        void read(RawEvent record, Collector<byte[]> out) {
            byte[] key = record.key;
            byte[] value = record.value;
            int topic = 0;
            if (record.keyBytes > NAME_BYTES || record.valueBytes > maxBytes) {
                String found = "found a message of " + record.keyBytes + " bytes of key and " + record.valueBytes + " of value"
                        + " (partition=\"" + record.partition + "\" offset=\"" + record.offset + "\")";
                value = (found + ", expected at most " + NAME_BYTES + " and " + maxBytes).getBytes(StandardCharsets.UTF_8);
                key = key == null ? null : Arrays.copyOf(key, Math.min(key.length, NAME_BYTES));
                topic = 1;
            }
            out.collect(Outputs.encode(topic, record.timestamp, key, value, Map.of()));
        }

        @Override
        public TypeInformation<byte[]> getProducedType() {
            return BYTES;
        }
    }
}

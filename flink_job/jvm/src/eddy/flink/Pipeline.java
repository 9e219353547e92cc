package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
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

    /**
     * Observations as frames per shard: rows of (shard key, frame). Input sources of a cluster are read by one source of
     * Flink's with the observations; those of another cluster ({@code cluster} from 1 on) by one of their own.
     */
    public static SingleOutputStreamOperator<Row> shards(
            StreamExecutionEnvironment env, Map<String, String> options, Map<String, String> client) {
        String suffix = options.getOrDefault("suffix", "");
        KafkaSourceBuilder<RawEvent> source =
                KafkaSource.<RawEvent>builder()
                        .setGroupId(options.get("group"))
                        .setStartingOffsets(starting(options.get("start_from")))
                        .setDeserializer(new RawEventSchema(client.containsKey(PollBytes.HEADERS_OPTION)))
                        .setProperties(properties(client));
        if (Boolean.parseBoolean(options.get("clocks"))) {
            source.setClientIdPrefix(Fetches.prefix(options));
        }
        if (options.containsKey("pattern")) {
            source.setTopicPattern(Pattern.compile(options.get("pattern")));
        } else {
            source.setTopics(options.getOrDefault("input_topics", options.get("observations")).split(","));
        }
        if (Boolean.parseBoolean(options.get("bounded"))) {
            source.setBounded(OffsetsInitializer.latest());
        }
        return env.fromSource(source.build(), WatermarkStrategy.noWatermarks(), "observations" + suffix)
                .uid("observations" + suffix)
                .transform("shards" + suffix, Types.ROW(Types.INT, BYTES), new ShardBatcher(new HashMap<>(options)))
                .uid("shards" + suffix);
    }

    /** Records of input sources that Python reads. */
    public static DataStream<byte[]> unread(SingleOutputStreamOperator<Row> shards) {
        return shards.getSideOutput(ShardBatcher.UNREAD);
    }

    /** Of what Python read of such records, the frames: rows of (shard key, frame). */
    public static SingleOutputStreamOperator<Row> readFrames(DataStream<byte[]> read, Map<String, String> options) {
        String suffix = options.getOrDefault("suffix", "");
        return read.flatMap(new ReadFrames(Integer.parseInt(options.get("shards")), Integer.parseInt(options.get("max_parallelism"))))
                .returns(Types.ROW(Types.INT, BYTES)).name("read-frames" + suffix).uid("read-frames" + suffix);
    }

    /** Of what Python read of such records, the records that go to topics. */
    public static SingleOutputStreamOperator<byte[]> readRecords(DataStream<byte[]> read, Map<String, String> options) {
        String suffix = options.getOrDefault("suffix", "");
        return read.flatMap(new ReadRecords()).returns(BYTES).name("read-records" + suffix).uid("read-records" + suffix);
    }

    /** The feedback topic as frames, beside those of the observations. */
    public static DataStream<Row> withFeedback(
            DataStream<Row> shards,
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

    /** What Python read begins with a byte that says what it is: 0 a frame, 1 records as in {@link Outputs}. */
    private static final class ReadFrames extends RichFlatMapFunction<byte[], Row> {
        private static final long serialVersionUID = 1L;
        private final int shards;
        private final int maxParallelism;
        private transient Row[] keys;

        ReadFrames(int shards, int maxParallelism) {
            this.shards = shards;
            this.maxParallelism = maxParallelism;
        }

        @Override
        public void open(OpenContext context) {
            keys = Shards.keys(shards, maxParallelism);
        }

        @Override
        public void flatMap(byte[] read, Collector<Row> out) {
            if (read[0] == 0) {
                byte[] frame = Arrays.copyOfRange(read, 1, read.length);
                out.collect(Row.of(keys[Frame.shardOf(frame)].getField(0), frame));
            }
        }
    }

    private static final class ReadRecords implements FlatMapFunction<byte[], byte[]> {
        private static final long serialVersionUID = 1L;

        @Override
        public void flatMap(byte[] read, Collector<byte[]> out) {
            if (read[0] == 1) {
                out.collect(Arrays.copyOfRange(read, 1, read.length));
            }
        }
    }

    private static final class RegistrySchema extends Internals.Reader<byte[]> {
        private static final long serialVersionUID = 1L;
        private static final int NAME_BYTES = 1024; // no model's name is longer

        private final int maxBytes;

        RegistrySchema(int maxBytes) {
            super(false);
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

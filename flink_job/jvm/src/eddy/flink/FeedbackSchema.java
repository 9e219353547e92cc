package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/**
 * What people say of alerts: each message as a frame of its own for the shard of its series, beside the observations'.
 *
 * <p>The key of a feedback message is its series. In place of one that is larger than any feedback can be, or that
 * job.skip names, goes a text that says so: it is no feedback, and so is refused with its place. One without a key goes to
 * shard 0 and is refused there.
 */
final class FeedbackSchema extends Internals.Reader<Row> {
    private static final long serialVersionUID = 1L;

    private static final int SERIES_BYTES = 512; // no series id is longer
    private static final int KEPT_BYTES = 1024 * 1024;

    private final int shards;
    private final int maxParallelism;
    private final int maxBytes;
    private final String skip;
    private transient Skipped skipped;
    private transient Row[] keys;
    private transient Frame frame;

    FeedbackSchema(Map<String, String> options) {
        super(false);
        shards = Integer.parseInt(options.get("shards"));
        maxParallelism = Integer.parseInt(options.get("max_parallelism"));
        maxBytes = Integer.parseInt(options.get("max_event_bytes"));
        skip = options.getOrDefault("skip", "");
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        keys = Shards.keys(shards, maxParallelism);
        frame = new Frame(KEPT_BYTES);
        skipped = new Skipped(skip);
    }

    @Override
    void read(RawEvent record, Collector<Row> out) {
        if (skipped.holds(record)) {
            record = instead(record, "skipped: job.skip names this message");
        } else if (record.largerThan(maxBytes)) {
            int found = Math.max(record.keyBytes, record.valueBytes);
            record = instead(record, "oversized: found " + found + " bytes, expected at most " + maxBytes);
        }
        int shard = record.key == null ? 0 : Shards.of(record.key, shards);
        frame.add(record, record.key);
        byte[] bytes = frame.take(Frame.FEEDBACK, shard, SteadyClock.SHARED.now(), 0, 1, 0, null);
        out.collect(Row.of(keys[shard].getField(0), bytes));
    }

    private static RawEvent instead(RawEvent record, String text) {
        byte[] key = record.key == null ? null : Arrays.copyOf(record.key, Math.min(record.key.length, SERIES_BYTES));
        byte[] value = text.getBytes(StandardCharsets.UTF_8);
        return new RawEvent(record.topic, key, value, record.partition, record.offset, record.timestamp);
    }

    @Override
    public TypeInformation<Row> getProducedType() {
        return Types.ROW(Types.INT, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
    }
}

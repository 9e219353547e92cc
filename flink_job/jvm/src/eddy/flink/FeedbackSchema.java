package eddy.flink;

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
 * <p>The key of a feedback message is its series. One without a key belongs to no shard and is left out; so is one that
 * is larger than any feedback can be.
 */
final class FeedbackSchema extends Internals.Reader<Row> {
    private static final long serialVersionUID = 1L;

    private final int shards;
    private final int maxParallelism;
    private final int maxBytes;
    private transient Row[] keys;
    private transient Frame frame;

    FeedbackSchema(Map<String, String> options) {
        shards = Integer.parseInt(options.get("shards"));
        maxParallelism = Integer.parseInt(options.get("max_parallelism"));
        maxBytes = Integer.parseInt(options.get("max_event_bytes"));
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        keys = Shards.keys(shards, maxParallelism);
        frame = new Frame();
    }

    @Override
    void read(RawEvent record, Collector<Row> out) {
        if (record.key == null || record.value == null || record.value.length > maxBytes) {
            return;
        }
        int shard = Shards.of(record.key, shards);
        frame.add(record, record.key);
        byte[] bytes = frame.take(Frame.FEEDBACK, shard, System.currentTimeMillis(), 0, 1);
        out.collect(Row.of(keys[shard].getField(0), bytes));
    }

    @Override
    public TypeInformation<Row> getProducedType() {
        return Types.ROW(Types.INT, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
    }
}

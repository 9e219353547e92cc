package eddy.flink;

import java.math.BigInteger;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.api.common.state.OperatorStateStore;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.types.Row;
import org.apache.flink.util.OutputTag;

/**
 * Collects what arrives for each shard into frames.
 *
 * <p>Frames leave together after {@code batchMs}, or earlier when one is full, and always before a checkpoint barrier:
 * nothing waits here across a checkpoint, so there is no state to keep but the number of shards ({@link KeptSettings}). While the next operator has not taken what it was
 * sent, frames go on to grow instead of becoming many: each costs the same to handle, however few events it has. They
 * grow for {@code batchMs} after it has taken the last ones, too: it is at work on those by then, and a few events sent at
 * once would be a bundle of their own behind them.
 *
 * <p>Before each barrier every shard also gets a CHECKPOINT frame. It tells the Python side to write its windows to
 * keyed state, which it keeps in arrays between checkpoints. Barriers must be aligned for this (the job sets it).
 */
final class ShardBatcher extends Internals.Operator<RawEvent, Row> {
    private static final long serialVersionUID = 1L;
    private static final long TICK_MS = 1000;
    private static final int TICK_PARTS = 4; // shards take turns: what a tick leads to would hold up the events behind it
    private static final int KEPT_BYTES = 4096; // of the key and of the value of a record that is too large
    private static final int AGAIN_MS = 2;
    private static final int LONGEST_MS = 1000; // the queue's size is Flink's own affair: nothing may depend on it

    static final OutputTag<byte[]> OVERSIZED =
            new OutputTag<>("oversized", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

    private final Map<String, String> options;
    private transient int shards;
    private transient int batchMs;
    private transient int maxEvents;
    private transient int maxBytes;
    private transient int maxEventBytes;
    private transient int source;
    private transient int sources;
    private transient Row[] keys;
    private transient Frame[] frames;
    private transient long lastFlush;
    private transient long lastQueued; // when the next operator had last been seen not to have taken all
    private transient long[] nextTick; // of each part of the shards

    ShardBatcher(Map<String, String> options) {
        this.options = options;
    }

    @Override
    void restore(OperatorStateStore store) throws Exception {
        KeptSettings.check(store, number("shards"));
    }

    @Override
    void begin(int subtask, int subtasks) {
        shards = number("shards");
        batchMs = number("batch_ms");
        maxEvents = number("batch_max_events");
        maxBytes = number("batch_max_bytes");
        maxEventBytes = number("max_event_bytes");
        source = subtask;
        sources = subtasks;
        keys = Shards.keys(shards, number("max_parallelism"));
        frames = new Frame[shards];
        for (int shard = 0; shard < shards; shard++) {
            frames[shard] = new Frame();
        }
        nextTick = new long[TICK_PARTS];
        long now = now();
        for (int part = 0; part < TICK_PARTS; part++) {
            nextTick[part] = now + part * TICK_MS / TICK_PARTS;
        }
        wakeAfter(batchMs);
    }

    private int number(String name) {
        return Integer.parseInt(options.get(name));
    }

    @Override
    void wake(long time) {
        if (queued()) {
            lastQueued = time;
        }
        if (time < Math.min(lastQueued + batchMs, lastFlush + LONGEST_MS)) {
            wakeAfter(AGAIN_MS);
            return;
        }
        for (int shard = 0; shard < shards; shard++) {
            if (time >= nextTick[shard % TICK_PARTS]) {
                flush(shard, Frame.TICK);
            }
        }
        flushFilled();
        for (int part = 0; part < TICK_PARTS; part++) {
            if (time >= nextTick[part]) {
                nextTick[part] += (time - nextTick[part]) / TICK_MS * TICK_MS + TICK_MS;
            }
        }
        lastFlush = now();
        wakeAfter(batchMs);
    }

    @Override
    void take(RawEvent event) {
        if (length(event.value) > maxEventBytes || length(event.key) > maxEventBytes) {
            send(OVERSIZED, oversized(event));
            return;
        }
        byte[] series = event.key != null ? event.key : event.value != null ? Shards.seriesIn(event.value) : null;
        int shard = series == null ? 0 : Shards.of(series, shards);
        Frame frame = frames[shard];
        frame.add(event, series);
        if (frame.count() >= maxEvents || frame.bytes() >= maxBytes) {
            flushFilled(); // of all shards: what leaves at once is one bundle for Python
        }
    }

    /**
     * A dead letter with the beginning of a record and a digest of the whole: the record may be far larger than what a
     * producer or a topic takes (75 MB of one letter is 75 kB of gzip). The original stays at its place.
     */
    private byte[] oversized(RawEvent event) {
        boolean byKey = length(event.value) <= maxEventBytes;
        byte[] large = byKey ? event.key : event.value;
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("reason", "oversized");
        headers.put("detail", "found " + (byKey ? "a key of " : "") + large.length + " bytes, expected at most " + maxEventBytes
                + "; send smaller messages or raise job.max_event_bytes");
        headers.put("size", Integer.toString(length(event.value)));
        headers.put("sha256", sha256(event.value));
        headers.put("truncated", "true");
        headers.put("topic", options.get("observations"));
        headers.put("partition", Integer.toString(event.partition));
        headers.put("offset", Long.toString(event.offset));
        headers.put("timestamp", Long.toString(event.timestamp));
        return Outputs.encode(number("dlq"), event.timestamp, start(event.key), start(event.value), headers);
    }

    private static byte[] start(byte[] bytes) {
        return bytes == null || bytes.length <= KEPT_BYTES ? bytes : Arrays.copyOf(bytes, KEPT_BYTES);
    }

    private static int length(byte[] bytes) {
        return bytes == null ? 0 : bytes.length;
    }

    private static String sha256(byte[] bytes) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes == null ? new byte[0] : bytes);
            return String.format("%064x", new BigInteger(1, digest));
        } catch (NoSuchAlgorithmException impossible) { // every Java has it
            throw new IllegalStateException(impossible);
        }
    }

    private void flush(int shard, byte kind) {
        send(Row.of(keys[shard].getField(0), frames[shard].take(kind, shard, now(), source, sources)));
    }

    private void flushFilled() {
        for (int shard = 0; shard < shards; shard++) {
            if (frames[shard].count() > 0) {
                flush(shard, Frame.DATA);
            }
        }
    }

    private void flushAll(byte kind) {
        for (int shard = 0; shard < shards; shard++) {
            flush(shard, kind);
        }
    }

    @Override
    void beforeBarrier() {
        flushAll(Frame.CHECKPOINT);
    }

    @Override
    void end() {
        flushAll(Frame.END);
    }
}

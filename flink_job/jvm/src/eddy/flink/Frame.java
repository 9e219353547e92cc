package eddy.flink;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The micro-batch of one shard while it fills, and its binary form (flink_job/wire/frames.py reads it).
 *
 * <p>Little-endian: u8 version, u8 kind, u16 shard, i32 n, i64 wall clock, i32 keys, i32 source, i32 sources, i32 bytes
 * of values; then i64 offset[n], i64 timestamp[n], i32 partition[n], i32 key code[n], i32 value end[n], i32 key
 * end[keys], key bytes, value bytes, and before a barrier the i64 number of its checkpoint. Bit 30 of a partition says that
 * the record had no key of its own.
 *
 * <p>Events of input sources come from other topics than the observations'. In a frame with some, bit 7 of the kind is
 * set, bits 20 to 29 of a partition say which of the topics it belongs to (0: the observations'), and their names come
 * last: u16 number, then u16 length and bytes of each.
 *
 * <p>Where the settings ask for it, bit 6 of the kind is set, and the clocks of {@link SourceClocks} come behind all this.
 */
final class Frame {
    static final byte DATA = 0;
    static final byte TICK = 1;
    static final byte CHECKPOINT = 2;
    static final byte END = 3;
    static final byte FEEDBACK = 4;

    private static final byte VERSION = 1;
    private static final int HEADER_BYTES = 32;
    private static final int BYTES_PER_EVENT = 28;
    private static final int KEYLESS = 1 << 30;
    private static final int WITH_TOPICS = 0x80;
    private static final int WITH_CLOCKS = 0x40;
    private static final int TOPIC_BIT = 20;
    private static final int MAX_TOPICS = 1023;
    private static final int VALUE_BYTES = 16384; // at first
    private static final int KEY_BYTES = 1024;
    private static final byte[] NOTHING = new byte[0];

    private long[] offsets = new long[256];
    private long[] timestamps = new long[256];
    private int[] partitions = new int[256];
    private int[] codes = new int[256];
    private int[] valueEnds = new int[256];
    private byte[] values = new byte[VALUE_BYTES];
    private int[] keyEnds = new int[64];
    private byte[] keys = new byte[KEY_BYTES];
    private int[] keyHashes = new int[64];
    private int[] places = new int[128]; // where a key's hash leads: its code + 1, or to the right of it; 0: none
    private final List<String> topics = new ArrayList<>(); // nearly always none
    private final long kept;
    private int count;
    private int valueBytes;
    private int keyCount;
    private int keyBytes;

    /** A frame that keeps arrays of up to so many bytes for the next one. */
    Frame(long kept) {
        this.kept = kept;
    }

    /** The shard of a frame's bytes. */
    static int shardOf(byte[] frame) {
        return frame[2] & 0xff | (frame[3] & 0xff) << 8;
    }

    int count() {
        return count;
    }

    int bytes() {
        return valueBytes + keyBytes;
    }

    /** Whether an event of a topic finds its place among the topics of this frame. */
    boolean hasRoomFor(String topic) {
        return topics.size() < MAX_TOPICS || topics.contains(topic);
    }

    void add(RawEvent event, byte[] series) {
        byte[] value = event.value == null ? NOTHING : event.value;
        int place = event.key == null ? event.partition | KEYLESS : event.partition;
        add(event, place, series == null ? NOTHING : series, value, 0, value.length);
    }

    /** Adds an observation that was read from an event of another topic. */
    void add(RawEvent event, byte[] series, byte[] bytes, int start, int end) {
        int topic = topics.isEmpty() || topics.get(topics.size() - 1) != event.topic ? topics.indexOf(event.topic) : topics.size() - 1;
        if (topic < 0) {
            topic = topics.size();
            topics.add(event.topic);
        }
        int keyless = event.key == null ? KEYLESS : 0; // so that the records of a series may be on any partition
        add(event, event.partition | (topic + 1) << TOPIC_BIT | keyless, series, bytes, start, end);
    }

    private void add(RawEvent event, int place, byte[] series, byte[] bytes, int start, int end) {
        if (count == codes.length) {
            int size = count * 2;
            offsets = Arrays.copyOf(offsets, size);
            timestamps = Arrays.copyOf(timestamps, size);
            partitions = Arrays.copyOf(partitions, size);
            codes = Arrays.copyOf(codes, size);
            valueEnds = Arrays.copyOf(valueEnds, size);
        }
        int length = end - start;
        if (valueBytes + length > values.length) {
            values = Arrays.copyOf(values, Math.max(values.length * 2, valueBytes + length));
        }
        System.arraycopy(bytes, start, values, valueBytes, length);
        valueBytes += length;
        offsets[count] = event.offset;
        timestamps[count] = event.timestamp;
        partitions[count] = place;
        codes[count] = code(series);
        valueEnds[count++] = valueBytes;
    }

    private int code(byte[] series) {
        int hash = Arrays.hashCode(series);
        int at = place(hash);
        for (; places[at] != 0; at = (at + 1) & (places.length - 1)) {
            int code = places[at] - 1;
            int start = code == 0 ? 0 : keyEnds[code - 1];
            if (keyHashes[code] == hash && Arrays.equals(keys, start, keyEnds[code], series, 0, series.length)) {
                return code;
            }
        }
        if (keyCount == keyEnds.length) {
            keyEnds = Arrays.copyOf(keyEnds, keyCount * 2);
            keyHashes = Arrays.copyOf(keyHashes, keyCount * 2);
        }
        if (keyBytes + series.length > keys.length) {
            keys = Arrays.copyOf(keys, Math.max(keys.length * 2, keyBytes + series.length));
        }
        System.arraycopy(series, 0, keys, keyBytes, series.length);
        keyBytes += series.length;
        keyEnds[keyCount] = keyBytes;
        keyHashes[keyCount] = hash;
        places[at] = ++keyCount;
        if (keyCount * 2 > places.length) {
            spread(new int[places.length * 2]);
        }
        return keyCount - 1;
    }

    private byte[] topicNames() {
        Bytes out = new Bytes();
        out.number16(topics.size());
        for (String topic : topics) {
            out.number16(topic.length());
            out.ascii(topic);
        }
        return Arrays.copyOf(out.bytes, out.size);
    }

    private int place(int hash) {
        return (hash ^ hash >>> 16) & (places.length - 1);
    }

    private void spread(int[] wider) {
        places = wider;
        for (int code = 0; code < keyCount; code++) {
            int at = place(keyHashes[code]);
            while (places[at] != 0) {
                at = (at + 1) & (places.length - 1);
            }
            places[at] = code + 1;
        }
    }

    /**
     * The frame's bytes; it is empty afterwards and keeps its arrays, unless they have become large.
     *
     * @param clocks that it ends with; null: nobody asks for them
     */
    byte[] take(byte kind, int shard, long now, int source, int sources, long checkpoint, byte[] clocks) {
        int size = HEADER_BYTES + count * BYTES_PER_EVENT + keyCount * 4 + keyBytes + valueBytes;
        byte[] names = topics.isEmpty() ? NOTHING : topicNames();
        int more = (checkpoint == 0 ? 0 : Long.BYTES) + names.length + (clocks == null ? 0 : clocks.length);
        byte[] frame = new byte[size + more];
        ByteBuffer out = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN);
        int flags = (topics.isEmpty() ? 0 : WITH_TOPICS) | (clocks == null ? 0 : WITH_CLOCKS);
        out.put(VERSION).put((byte) (kind | flags)).putShort((short) shard).putInt(count).putLong(now);
        out.putInt(keyCount).putInt(source).putInt(sources).putInt(valueBytes);
        out.asLongBuffer().put(offsets, 0, count).put(timestamps, 0, count);
        out.position(HEADER_BYTES + count * 16);
        out.asIntBuffer().put(partitions, 0, count).put(codes, 0, count).put(valueEnds, 0, count).put(keyEnds, 0, keyCount);
        out.position(HEADER_BYTES + count * BYTES_PER_EVENT + keyCount * 4);
        out.put(keys, 0, keyBytes).put(values, 0, valueBytes);
        if (checkpoint != 0) {
            out.putLong(checkpoint);
        }
        out.put(names).put(clocks == null ? NOTHING : clocks);
        topics.clear();
        count = valueBytes = keyCount = keyBytes = 0;
        Arrays.fill(places, 0);
        if (values.length + keys.length > kept) {
            values = new byte[VALUE_BYTES];
            keys = new byte[KEY_BYTES];
        }
        return frame;
    }
}

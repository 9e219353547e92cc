package eddy.flink;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The micro-batch of one shard while it fills, and its binary form (flink_job/wire/frames.py reads it).
 *
 * <p>Little-endian: u8 version, u8 kind, u16 shard, i32 n, i64 wall clock, i32 keys, i32 source, i32 sources, i32 bytes
 * of values; then i64 offset[n], i64 timestamp[n], i32 partition[n], i32 key code[n], i32 value end[n], i32 key
 * end[keys], key bytes, value bytes, and before a barrier the i64 number of its checkpoint. Bit 30 of a partition says that the record had no key of its own.
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
    private final long kept;
    private int count;
    private int valueBytes;
    private int keyCount;
    private int keyBytes;

    /** A frame that keeps arrays of up to so many bytes for the next one. */
    Frame(long kept) {
        this.kept = kept;
    }

    int count() {
        return count;
    }

    int bytes() {
        return valueBytes + keyBytes;
    }

    void add(RawEvent event, byte[] series) {
        if (count == codes.length) {
            int size = count * 2;
            offsets = Arrays.copyOf(offsets, size);
            timestamps = Arrays.copyOf(timestamps, size);
            partitions = Arrays.copyOf(partitions, size);
            codes = Arrays.copyOf(codes, size);
            valueEnds = Arrays.copyOf(valueEnds, size);
        }
        byte[] value = event.value == null ? NOTHING : event.value;
        if (valueBytes + value.length > values.length) {
            values = Arrays.copyOf(values, Math.max(values.length * 2, valueBytes + value.length));
        }
        System.arraycopy(value, 0, values, valueBytes, value.length);
        valueBytes += value.length;
        offsets[count] = event.offset;
        timestamps[count] = event.timestamp;
        partitions[count] = event.key == null ? event.partition | KEYLESS : event.partition;
        codes[count] = code(series == null ? NOTHING : series);
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

    /** The frame's bytes; it is empty afterwards and keeps its arrays, unless they have become large. */
    byte[] take(byte kind, int shard, long now, int source, int sources, long checkpoint) {
        int size = HEADER_BYTES + count * BYTES_PER_EVENT + keyCount * 4 + keyBytes + valueBytes;
        byte[] frame = new byte[size + (checkpoint == 0 ? 0 : Long.BYTES)];
        ByteBuffer out = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN);
        out.put(VERSION).put(kind).putShort((short) shard).putInt(count).putLong(now);
        out.putInt(keyCount).putInt(source).putInt(sources).putInt(valueBytes);
        out.asLongBuffer().put(offsets, 0, count).put(timestamps, 0, count);
        out.position(HEADER_BYTES + count * 16);
        out.asIntBuffer().put(partitions, 0, count).put(codes, 0, count).put(valueEnds, 0, count).put(keyEnds, 0, keyCount);
        out.position(HEADER_BYTES + count * BYTES_PER_EVENT + keyCount * 4);
        out.put(keys, 0, keyBytes).put(values, 0, valueBytes);
        if (checkpoint != 0) {
            out.putLong(checkpoint);
        }
        count = valueBytes = keyCount = keyBytes = 0;
        Arrays.fill(places, 0);
        if (values.length + keys.length > kept) {
            values = new byte[VALUE_BYTES];
            keys = new byte[KEY_BYTES];
        }
        return frame;
    }
}

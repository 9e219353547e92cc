package eddy.flink;

import java.nio.ByteBuffer;
import java.util.HexFormat;

/** One Kafka record as it came, or the beginning of a large one. Only ever handed over inside a chain, so it is never serialized. */
public final class RawEvent {
    final byte[] key; // null where the record had none
    final byte[] value; // null for a tombstone
    final int partition;
    final long offset;
    final long timestamp;
    final int keyBytes; // of the whole record
    final int valueBytes;
    private final byte[] digest; // of the whole value; null where value is the whole

    RawEvent(byte[] key, byte[] value, int partition, long offset, long timestamp) {
        this(key, value, partition, offset, timestamp, length(key), length(value), null);
    }

    private RawEvent(
            byte[] key, byte[] value, int partition, long offset, long timestamp, int keyBytes, int valueBytes, byte[] digest) {
        this.key = key;
        this.value = value;
        this.partition = partition;
        this.offset = offset;
        this.timestamp = timestamp;
        this.keyBytes = keyBytes;
        this.valueBytes = valueBytes;
        this.digest = digest;
    }

    /** The same record, with what {@link PollBytes} noted where it cut key or value: i32 size, digest; null where it did not. */
    RawEvent cut(byte[] key, byte[] value) {
        int keySize = key == null ? keyBytes : ByteBuffer.wrap(key).getInt();
        int valueSize = value == null ? valueBytes : ByteBuffer.wrap(value).getInt();
        byte[] whole = value == null ? null : java.util.Arrays.copyOfRange(value, 4, value.length);
        return new RawEvent(this.key, this.value, partition, offset, timestamp, keySize, valueSize, whole);
    }

    boolean largerThan(int bytes) {
        return keyBytes > bytes || valueBytes > bytes;
    }

    /** The SHA-256 of the whole value, in hexadecimal digits. */
    String sha256() {
        byte[] found = digest != null ? digest : PollBytes.sha256(ByteBuffer.wrap(value == null ? new byte[0] : value));
        return HexFormat.of().formatHex(found);
    }

    private static int length(byte[] bytes) {
        return bytes == null ? 0 : bytes.length;
    }
}

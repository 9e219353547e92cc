package eddy.flink;

import java.nio.ByteBuffer;
import java.util.HexFormat;

/** One Kafka record as it came, or the beginning of a large one. Only ever handed over inside a chain, so it is never serialized. */
public final class RawEvent {
    private static final String[] NO_NAMES = {};
    private static final byte[][] NO_VALUES = {};

    final String topic;
    final byte[] key; // null where the record had none
    final byte[] value; // null for a tombstone
    final int partition;
    final long offset;
    final long timestamp;
    final int keyBytes; // of the whole record
    final int valueBytes;
    final String[] headerNames; // none unless the source asks for them
    final byte[][] headerValues;
    private final byte[] digest; // of the whole value; null where value is the whole

    RawEvent(String topic, byte[] key, byte[] value, int partition, long offset, long timestamp) {
        this(topic, key, value, partition, offset, timestamp, length(key), length(value), null, NO_NAMES, NO_VALUES);
    }

    private RawEvent(
            String topic, byte[] key, byte[] value, int partition, long offset, long timestamp, int keyBytes, int valueBytes,
            byte[] digest, String[] headerNames, byte[][] headerValues) {
        this.topic = topic;
        this.key = key;
        this.value = value;
        this.partition = partition;
        this.offset = offset;
        this.timestamp = timestamp;
        this.keyBytes = keyBytes;
        this.valueBytes = valueBytes;
        this.digest = digest;
        this.headerNames = headerNames;
        this.headerValues = headerValues;
    }

    /** The same record with its headers. */
    RawEvent with(String[] names, byte[][] values) {
        return new RawEvent(topic, key, value, partition, offset, timestamp, keyBytes, valueBytes, digest, names, values);
    }

    /** The last header of a name; null where it has no value or there is none. */
    byte[] header(String name) {
        for (int i = headerNames.length - 1; i >= 0; i--) {
            if (headerNames[i].equals(name)) {
                return headerValues[i];
            }
        }
        return null;
    }

    /** The same record, with what {@link PollBytes} noted where it cut key or value: i32 size, digest; null where it did not. */
    RawEvent cut(byte[] key, byte[] value) {
        int keySize = key == null ? keyBytes : ByteBuffer.wrap(key).getInt();
        int valueSize = value == null ? valueBytes : ByteBuffer.wrap(value).getInt();
        byte[] whole = value == null ? null : java.util.Arrays.copyOfRange(value, 4, value.length);
        return new RawEvent(topic, this.key, this.value, partition, offset, timestamp, keySize, valueSize, whole, headerNames,
                headerValues);
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

package eddy.flink;

/** One Kafka record as it came. Only ever handed over inside a chain, so it is never serialized. */
public final class RawEvent {
    final byte[] key; // null where the record had none
    final byte[] value; // null for a tombstone
    final int partition;
    final long offset;
    final long timestamp;

    RawEvent(byte[] key, byte[] value, int partition, long offset, long timestamp) {
        this.key = key;
        this.value = value;
        this.partition = partition;
        this.offset = offset;
        this.timestamp = timestamp;
    }
}

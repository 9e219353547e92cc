package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.errors.SerializationException;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.Headers;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.record.TimestampType;
import org.apache.flink.util.Collector;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** {@link PollBytes} as Kafka's consumer calls it. */
class PollBytesTest {
    private final PollBytes.Keys keys = new PollBytes.Keys();
    private final PollBytes.Values values = new PollBytes.Values();
    private final PollBytes.End end = new PollBytes.End();

    @BeforeEach
    void configure() {
        Map<String, String> options = Map.of("eddy.poll.bytes", "20000", "eddy.value.bytes", "8000");
        keys.configure(options, true);
        values.configure(options, false);
        end.onConsume(ConsumerRecords.empty());
    }

    private static byte[] bytes(int size) {
        byte[] bytes = new byte[size];
        Arrays.fill(bytes, (byte) 'x');
        return bytes;
    }

    /** What the job reads of a record that Kafka's consumer took. */
    private RawEvent event(byte[] key, byte[] value, Headers headers) {
        byte[] readKey = key == null ? null : keys.deserialize("t", headers, key);
        byte[] readValue = value == null ? null : values.deserialize("t", headers, value);
        List<RawEvent> found = new ArrayList<>();
        new RawEventSchema(false).deserialize(
                new ConsumerRecord<>("t", 3, 7L, 5L, TimestampType.CREATE_TIME, 0, 0, readKey, readValue, headers, Optional.empty()),
                new Collector<RawEvent>() {
                    @Override
                    public void collect(RawEvent event) {
                        found.add(event);
                    }

                    @Override
                    public void close() {}
                });
        return found.get(0);
    }

    private int taken(byte[] key, byte[] value) {
        for (int k = 0; k < 1000; k++) {
            try {
                event(key, value, new RecordHeaders());
            } catch (SerializationException full) {
                return k;
            }
        }
        return 1000;
    }

    @Test
    void aPollEndsBeforeItsBytesAreTooMany() {
        assertEquals(2, taken(null, bytes(8000)));
        assertThrows(SerializationException.class, () -> event(null, bytes(8000), new RecordHeaders()), "again in the same poll");
        end.onConsume(ConsumerRecords.empty());
        assertEquals(2, taken(bytes(1), bytes(8000)));
        end.onConsume(ConsumerRecords.empty());
        assertEquals(2, taken(bytes(8000), bytes(1)));
        end.onConsume(ConsumerRecords.empty());
        assertEquals(2, taken(bytes(8000), null), "tombstones, too");
    }

    @Test
    void theFirstRecordOfAPollIsTakenWhateverItsSize() {
        assertEquals(8000, event(bytes(8000), bytes(8000), many(2000)).valueBytes);
        assertThrows(SerializationException.class, () -> event(bytes(1), bytes(1), new RecordHeaders()));
        end.onConsume(ConsumerRecords.empty());
        assertEquals(8000, event(null, bytes(8000), many(2000)).valueBytes);
        assertThrows(SerializationException.class, () -> event(null, bytes(1), new RecordHeaders()), "many headers count");
    }

    private static Headers many(int count) {
        Headers headers = new RecordHeaders();
        for (int k = 0; k < count; k++) {
            headers.add("h" + k, bytes(1));
        }
        return headers;
    }

    @Test
    void headersOfAProducerAreDropped() {
        Headers headers = many(3).add("large", bytes(1_000_000));
        event(bytes(1), bytes(1), headers);
        assertEquals(0, headers.toArray().length);
        assertEquals(2, taken(null, bytes(8000)), "and do not count");
        end.onConsume(ConsumerRecords.empty());
        Headers kept = new RecordHeaders().add("large", bytes(1_000_000));
        event(bytes(9000), bytes(9000), kept);
        assertEquals(2, kept.toArray().length, "the notes of a key and a value that were cut");
    }

    @Test
    void headersOfARecordWithoutKeyAndValueAreDroppedAtTheEndOfItsPoll() {
        Headers headers = new RecordHeaders().add("large", bytes(1_000_000));
        ConsumerRecord<byte[], byte[]> record =
                new ConsumerRecord<>("t", 3, 7L, 5L, TimestampType.CREATE_TIME, 0, 0, null, null, headers, Optional.empty());
        TopicPartition place = new TopicPartition("t", 3);
        end.onConsume(new ConsumerRecords<>(Map.of(place, List.of(record)), Map.of()));
        assertEquals(0, headers.toArray().length);
    }

    @Test
    void ofWhatIsLargerOnlyTheBeginningIsKeptWithSizeAndDigest() throws Exception {
        RawEvent event = event(bytes(9000), bytes(1_000_000), new RecordHeaders());
        assertEquals(4096, event.value.length);
        assertEquals(4096, event.key.length);
        assertEquals(9000, event.keyBytes);
        assertEquals(1_000_000, event.valueBytes);
        byte[] digest = java.security.MessageDigest.getInstance("SHA-256").digest(bytes(1_000_000));
        assertEquals(java.util.HexFormat.of().formatHex(digest), event.sha256());
        assertEquals(2, taken(null, bytes(30_000_000)), "it counts as what is kept: 4 kB each, beside the 8 kB of the first");
    }

    @Test
    void aHeaderOfAProducerPassesForNone() {
        byte[] size = {0, 0, 0, 9};
        Headers headers = new RecordHeaders().add(PollBytes.VALUE, size).add(PollBytes.KEY, size);
        RawEvent event = event(bytes(4096), bytes(4096), headers);
        assertEquals(4096, event.valueBytes);
        assertEquals(4096, event.keyBytes);
        assertNull(headers.lastHeader(PollBytes.VALUE));
    }

    @Test
    void whatFitsIsTakenAsItIs() {
        RawEvent event = event(bytes(3), bytes(8000), new RecordHeaders());
        assertArrayEquals(bytes(8000), event.value);
        assertArrayEquals(bytes(3), event.key);
        assertTrue(!event.largerThan(8000));
    }
}

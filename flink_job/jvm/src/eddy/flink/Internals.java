package eddy.flink;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.DoubleSupplier;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.flink.api.common.state.OperatorStateStore;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.config.ConfigData;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.config.ConfigException;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.config.provider.ConfigProvider;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.errors.SerializationException;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.Header;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.Headers;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.security.auth.SaslExtensions;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.security.auth.SaslExtensionsCallback;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.serialization.Deserializer;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.io.network.api.writer.ResultPartitionWriter;
import org.apache.flink.runtime.io.network.partition.ResultPartition;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.type.TypeReference;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * All that Eddy uses of Flink and its Kafka connector without their promise that it stays: check at each Flink upgrade.
 *
 * <ul>
 *   <li>{@code AbstractStreamOperator}, {@code OneInputStreamOperator}, {@code StreamRecord}: internal; the only way to act
 *       before a checkpoint barrier ({@code prepareSnapshotPreBarrier}).
 *   <li>{@code getContainingTask().getEnvironment().getAllWriters()} and {@code getSizeOfQueuedBuffersUnsafe()}: internal; how
 *       much the next operator has not taken yet. "Unsafe" means that it is not locked: a number that is a moment old will do.
 *   <li>{@code SuppressRestartsException}: internal; the only way to fail a job for good from within.
 *   <li>{@code KeyGroupRangeAssignment}: internal; its hash is part of every savepoint, so it cannot change lightly.
 *   <li>{@code org.apache.flink.kafka.shaded}: Kafka's client as the connector's jar renames it; another build of the
 *       connector may name it otherwise.
 * </ul>
 */
final class Internals {
    private static final int HEADER_BYTES = 96; // what a header takes beside its name and value
    private static final int MANY_HEADERS = 1000;
    private static final int MAX_HEADER_NAME = 10_000; // no template names a longer one

    private Internals() {}

    /** The key group of a key: Flink spreads key groups over subtasks. */
    static int keyGroup(Row key, int maxParallelism) {
        return KeyGroupRangeAssignment.assignToKeyGroup(key, maxParallelism);
    }

    /** An error that fails the job at once: to start it again would not help. */
    static RuntimeException forGood(String text) {
        return new SuppressRestartsException(new IllegalStateException(text));
    }

    /** From where the group has committed, else from the oldest message. */
    static OffsetsInitializer committedOrEarliest() {
        return OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST);
    }

    /** An operator that is woken by the clock, and can send before a barrier and at the end. */
    abstract static class Operator<IN, OUT> extends AbstractStreamOperator<OUT> implements OneInputStreamOperator<IN, OUT> {
        private static final long serialVersionUID = 1L;
        private transient List<ResultPartition> sent;

        @Override
        public void initializeState(StateInitializationContext context) throws Exception {
            super.initializeState(context);
            restore(context.getOperatorStateStore());
        }

        @Override
        public void open() throws Exception {
            super.open();
            sent = new ArrayList<>();
            for (ResultPartitionWriter writer : getContainingTask().getEnvironment().getAllWriters()) {
                if (writer instanceof ResultPartition) {
                    sent.add((ResultPartition) writer);
                }
            }
            begin(
                    getRuntimeContext().getTaskInfo().getIndexOfThisSubtask(),
                    getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks());
        }

        @Override
        public void processElement(StreamRecord<IN> element) {
            take(element.getValue());
        }

        @Override
        public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
            super.prepareSnapshotPreBarrier(checkpointId);
            beforeBarrier(checkpointId);
        }

        @Override
        public void finish() throws Exception {
            end();
            super.finish();
        }

        abstract void restore(OperatorStateStore store) throws Exception;

        abstract void begin(int subtask, int subtasks);

        abstract void take(IN element);

        abstract void beforeBarrier(long checkpoint);

        abstract void end();

        abstract void wake();

        /** Whether a next operator has not taken yet what it was sent. */
        final boolean queued() {
            for (ResultPartition one : sent) {
                if (one.getSizeOfQueuedBuffersUnsafe() > 0) {
                    return true;
                }
            }
            return false;
        }

        /** Flink turns the time into a delay at once: a step of the wall clock moves no timer. */
        final void wakeAfter(int milliseconds) {
            long now = getProcessingTimeService().getCurrentProcessingTime();
            getProcessingTimeService().registerTimer(now + milliseconds, time -> wake());
        }

        final void send(OUT value) {
            output.collect(new StreamRecord<>(value));
        }

        final <T> void send(OutputTag<T> tag, T value) {
            output.collect(tag, new StreamRecord<>(value));
        }
    }

    /** Reads Kafka records. */
    abstract static class Reader<T> implements KafkaRecordDeserializationSchema<T> {
        private static final long serialVersionUID = 1L;
        private final boolean headers;

        /** A reader; with headers, records have theirs, which {@link PollBytes} must keep for that. */
        Reader(boolean headers) {
            this.headers = headers;
        }

        @Override
        public final void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<T> out) {
            byte[] key = record.key();
            byte[] value = record.value();
            int partition = record.partition();
            RawEvent event = new RawEvent(record.topic(), key, value, partition, record.offset(), record.timestamp());
            if (headers) {
                event = withHeaders(event, record.headers().toArray());
            }
            if (PollBytes.mayBeCut(key) || PollBytes.mayBeCut(value)) {
                event = event.cut(found(record, PollBytes.KEY), found(record, PollBytes.VALUE));
            }
            read(event, out);
        }

        private static RawEvent withHeaders(RawEvent event, Header[] found) {
            String[] names = new String[found.length];
            byte[][] values = new byte[found.length][];
            int count = 0;
            for (Header header : found) {
                boolean ours = header.key().equals(PollBytes.KEY) || header.key().equals(PollBytes.VALUE);
                if (!ours && count < MANY_HEADERS && header.key().length() <= MAX_HEADER_NAME) {
                    names[count] = header.key();
                    values[count++] = header.value();
                }
            }
            return count == 0 ? event : event.with(Arrays.copyOf(names, count), Arrays.copyOf(values, count));
        }

        private static byte[] found(ConsumerRecord<byte[], byte[]> record, String name) {
            Header header = record.headers().lastHeader(name);
            return header == null ? null : header.value();
        }

        abstract void read(RawEvent record, Collector<T> out);
    }

    /**
     * Takes the bytes of a key or a value out of what was fetched, or refuses while a poll is full.
     *
     * <p>Kafka's consumer ends a poll with the records before the one that a deserializer refused, and tries that one
     * again in the next poll ({@code CompletedFetch.fetchRecords}: "the retry may succeed"). That is not in its
     * documentation; tests/integration/test_large_backlog.py would tell.
     */
    abstract static class Bytes implements Deserializer<byte[]> {
        /** One for all: it has no stack trace, and nothing is wrong. */
        private static final SerializationException FULL =
                new SerializationException("this poll holds as many bytes as it may; the next one goes on from here");

        @Override
        public final void configure(Map<String, ?> options, boolean isKey) {
            begin(options);
        }

        @Override
        public final byte[] deserialize(String topic, byte[] data) {
            throw new UnsupportedOperationException("without headers");
        }

        @Override
        public final byte[] deserialize(String topic, Headers headers, byte[] data) {
            return data == null ? null : deserialize(topic, headers, ByteBuffer.wrap(data));
        }

        @Override
        public final byte[] deserialize(String topic, Headers headers, ByteBuffer data) {
            if (data == null) {
                return null;
            }
            if (!fits(data.remaining(), !isFirst() ? 0 : keepsHeaders() ? size(headers.toArray()) : drop(headers))) {
                throw FULL;
            }
            if (noted(data.remaining())) {
                headers.remove(name()); // a producer may have set it
                byte[] note = note(data);
                if (note != null) {
                    headers.add(name(), note);
                }
            }
            return take(data);
        }

        abstract void begin(Map<String, ?> options);

        /** Whether records keep their headers. */
        abstract boolean keepsHeaders();

        /** Whether this is the first part of its record that is taken. */
        abstract boolean isFirst();

        abstract boolean fits(int bytes, long headerBytes);

        /** Whether a key or value of so many bytes has a header of its own, or might be taken for one that has. */
        abstract boolean noted(int bytes);

        abstract String name();

        abstract byte[] note(ByteBuffer data);

        abstract byte[] take(ByteBuffer data);
    }

    /**
     * Drops headers, which nothing of the job reads unless an input source asks for them, and with them the record's buffer, which they would keep.
     *
     * @return the bytes of headers that stay since they are many: to remove one moves all that follow it
     */
    private static long drop(Headers headers) {
        Header[] found = headers.toArray();
        if (found.length == 0) { // nearly always, and an iterator costs more than this
            return 0;
        }
        if (found.length > MANY_HEADERS) {
            return size(found);
        }
        for (Iterator<Header> each = headers.iterator(); each.hasNext(); each.remove()) {
            each.next();
        }
        return 0;
    }

    private static long size(Header[] headers) {
        long size = 0;
        for (Header header : headers) { // to ask for name and value frees them of the buffer, too
            size += HEADER_BYTES + 2L * header.key().length() + (header.value() == null ? 0 : header.value().length);
        }
        return size;
    }

    /** Is told when a poll has ended. */
    abstract static class PollEnd implements ConsumerInterceptor<byte[], byte[]> {
        @Override
        public final ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
            if (!allTaken(records.count())) { // nearly never, and to look at each record costs as much as to read it
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    if (record.key() == null && record.value() == null) { // no deserializer was asked
                        drop(record.headers());
                    }
                }
            }
            ended();
            return records;
        }

        /** Whether of so many records, all of this poll, a key or a value was taken. */
        abstract boolean allTaken(int records);

        abstract void ended();

        @Override
        public final void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {}

        @Override
        public final void configure(Map<String, ?> options) {}

        @Override
        public final void close() {}
    }

    /** Is told of the numbers that a consumer keeps of itself. */
    abstract static class ConsumerNumbers implements MetricsReporter {
        Map<String, ?> options = Map.of();

        /** A number of the consumer appears. */
        abstract void added(String client, String name, DoubleSupplier number);

        /** The consumer is closed. */
        abstract void closed(String client);

        @Override
        public final void configure(Map<String, ?> configured) {
            options = configured;
        }

        @Override
        public final void init(List<KafkaMetric> metrics) {
            metrics.forEach(this::metricChange);
        }

        @Override
        public final void metricChange(KafkaMetric metric) {
            Map<String, String> tags = metric.metricName().tags();
            if (tags.size() == 1 && tags.containsKey("client-id")) { // of the consumer as a whole
                added(tags.get("client-id"), metric.metricName().name(), () -> number(metric.metricValue()));
            }
        }

        private static double number(Object value) {
            return value instanceof Number ? ((Number) value).doubleValue() : 0;
        }

        @Override
        public final void metricRemoval(KafkaMetric metric) {}

        @Override
        public final void close() {
            closed(String.valueOf(options.get("client.id")));
        }
    }

    /** Writes Kafka records. */
    abstract static class Writer implements KafkaRecordSerializationSchema<byte[]> {
        private static final long serialVersionUID = 1L;

        @Override
        public final ProducerRecord<byte[], byte[]> serialize(byte[] record, KafkaSinkContext context, Long timestamp) {
            return message(record).kafka;
        }

        abstract Message message(byte[] record);
    }

    /** A Kafka record on its way out. */
    static final class Message {
        private final ProducerRecord<byte[], byte[]> kafka;

        Message(String topic, long time, byte[] key, byte[] value) {
            // A record may carry any timestamp, -1 and below included; a producer takes none below 0.
            kafka = new ProducerRecord<>(topic, null, time < 0 ? null : time, key, value);
        }

        void header(String name, byte[] value) {
            kafka.headers().add(name, value);
        }
    }

    /** Gives Kafka's clients what stands for {@code ${eddy:path:key}} in their settings. */
    abstract static class Lookup implements ConfigProvider {
        @Override
        public final ConfigData get(String path) {
            throw error("secrets are asked for one by one");
        }

        @Override
        public final ConfigData get(String path, Set<String> keys) {
            Map<String, String> found = new HashMap<>();
            for (String key : keys) {
                found.put(key, find(path == null ? "" : path, key));
            }
            return new ConfigData(found);
        }

        abstract String find(String path, String key);

        static RuntimeException error(String text) {
            return new ConfigException("eddy: " + text);
        }

        @Override
        public final void configure(Map<String, ?> options) {}

        @Override
        public final void close() {}
    }

    /** Logs a Kafka client in: with a token, or with Kerberos, whose library needs to be told of its file before. */
    abstract static class Login implements AuthenticateCallbackHandler {
        @Override
        public final void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
            Map<String, String> options = new HashMap<>();
            for (AppConfigurationEntry entry : entries) {
                entry.getOptions().forEach((name, value) -> options.put(name, String.valueOf(value)));
            }
            begin(options);
        }

        @Override
        public final void handle(Callback[] callbacks) throws UnsupportedCallbackException {
            for (Callback callback : callbacks) {
                if (callback instanceof OAuthBearerTokenCallback) {
                    OAuthBearerTokenCallback asked = (OAuthBearerTokenCallback) callback;
                    try {
                        asked.token(token());
                    } catch (IOException error) { // thrown, its text would be lost on the way into the job's exception
                        asked.error("no token", error.getMessage(), null);
                    }
                } else if (callback instanceof SaslExtensionsCallback) {
                    ((SaslExtensionsCallback) callback).extensions(new SaslExtensions(extensions()));
                } else {
                    throw new UnsupportedCallbackException(callback, unsupported());
                }
            }
        }

        abstract void begin(Map<String, String> options);

        abstract Token token() throws IOException;

        abstract Map<String, String> extensions();

        abstract String unsupported();

        @Override
        public final void close() {}
    }

    /** A token, with what Kafka's client asks of it. */
    static final class Token implements OAuthBearerToken {
        final String facts;
        private final String value;
        private final String principal;
        private final long ends;

        Token(String value, long ends, String principal, String facts) {
            this.value = value;
            this.ends = ends;
            this.principal = principal;
            this.facts = facts;
        }

        @Override
        public String value() {
            return value;
        }

        @Override
        public Set<String> scope() {
            return Set.of();
        }

        @Override
        public long lifetimeMs() {
            return ends;
        }

        @Override
        public String principalName() {
            return principal;
        }

        @Override
        public Long startTimeMs() {
            return null;
        }
    }

    /** The JSON object that a text holds; empty if it holds none. Flink's own copy of Jackson reads it. */
    static Map<String, Object> json(byte[] text) {
        try {
            Map<String, Object> found = new ObjectMapper().readValue(text, new TypeReference<Map<String, Object>>() {});
            return found == null ? Map.of() : found;
        } catch (IOException error) {
            return Map.of();
        }
    }
}

package eddy.flink;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/**
 * Records on their way out, many in one byte array (flink_job/wire/frames.py writes it): one hop from Python to the JVM per
 * micro-batch, however many records it has.
 *
 * <p>A record, little-endian: i32 bytes that follow, u8 topic, i64 timestamp, i32 key length (-1: none), key, i32 value
 * length (-1: none), value, u16 headers, each: u16 length, name, i32 length, value.
 */
final class Outputs {
    private Outputs() {}

    /** Cuts a frame into its records; marks are for no topic. */
    static final class Split implements FlatMapFunction<byte[], byte[]> {
        private static final long serialVersionUID = 1L;
        private final int mark;

        Split(int mark) {
            this.mark = mark;
        }

        @Override
        public void flatMap(byte[] frame, Collector<byte[]> out) {
            ByteBuffer in = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN);
            while (in.hasRemaining()) {
                byte[] record = new byte[in.getInt()];
                in.get(record);
                if (record[0] != mark) {
                    out.collect(record);
                }
            }
        }
    }

    /** Of a frame, a smaller one with its alerts and marks; nothing if it has none. All go under one key. */
    static final class Alerts implements FlatMapFunction<byte[], Row> {
        private static final long serialVersionUID = 1L;
        private final int alerts;
        private final int mark;

        Alerts(int alerts, int mark) {
            this.alerts = alerts;
            this.mark = mark;
        }

        @Override
        public void flatMap(byte[] frame, Collector<Row> out) {
            ByteBuffer in = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN);
            ByteBuffer chosen = ByteBuffer.allocate(frame.length);
            while (in.hasRemaining()) {
                int start = in.position();
                int length = in.getInt();
                int role = in.get(in.position());
                in.position(start + 4 + length);
                if (role == alerts || role == mark) {
                    chosen.put(frame, start, 4 + length);
                }
            }
            if (chosen.position() > 0) {
                out.collect(Row.of(0, Arrays.copyOf(chosen.array(), chosen.position())));
            }
        }
    }

    /** A record as a Kafka message. */
    static final class Schema extends Internals.Writer {
        private static final long serialVersionUID = 1L;
        private final String[] topics;

        Schema(String[] topics) {
            this.topics = topics;
        }

        @Override
        Internals.Message message(byte[] record) {
            ByteBuffer in = ByteBuffer.wrap(record).order(ByteOrder.LITTLE_ENDIAN);
            String topic = topics[in.get()];
            long time = in.getLong();
            byte[] key = bytes(in, in.getInt());
            byte[] value = bytes(in, in.getInt());
            Internals.Message message = new Internals.Message(topic, time, key, value);
            for (int left = in.getShort(); left > 0; left--) {
                String name = new String(bytes(in, in.getShort()), StandardCharsets.UTF_8);
                message.header(name, bytes(in, in.getInt()));
            }
            return message;
        }

        private static byte[] bytes(ByteBuffer in, int length) {
            if (length < 0) {
                return null;
            }
            byte[] bytes = new byte[length];
            in.get(bytes);
            return bytes;
        }
    }

    /** One record, framed. */
    static byte[] encode(int topic, long time, byte[] key, byte[] value, Map<String, String> headers) {
        Map<byte[], byte[]> raw = new LinkedHashMap<>();
        int size = 4 + 1 + 8 + 4 + length(key) + 4 + length(value) + 2;
        for (Map.Entry<String, String> header : headers.entrySet()) {
            byte[] name = header.getKey().getBytes(StandardCharsets.UTF_8);
            byte[] text = header.getValue().getBytes(StandardCharsets.UTF_8);
            raw.put(name, text);
            size += 2 + name.length + 4 + text.length;
        }
        ByteBuffer out = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(size - 4).put((byte) topic).putLong(time);
        put(out, key);
        put(out, value);
        out.putShort((short) raw.size());
        raw.forEach((name, text) -> out.putShort((short) name.length).put(name).putInt(text.length).put(text));
        return out.array();
    }

    private static int length(byte[] bytes) {
        return bytes == null ? 0 : bytes.length;
    }

    private static void put(ByteBuffer out, byte[] bytes) {
        out.putInt(bytes == null ? -1 : bytes.length);
        if (bytes != null) {
            out.put(bytes);
        }
    }
}

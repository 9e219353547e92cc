package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import org.apache.flink.types.Row;

/**
 * Which shard a series belongs to, and which Flink key stands for a shard.
 *
 * <p>Shard = CRC-32 of the series id's UTF-8 bytes, modulo the number of shards: the same in any language. The keys
 * are chosen so that shards spread evenly over key groups, and so over subtasks at every parallelism that divides
 * them. Both are part of the state's layout.
 */
final class Shards {
    private static final byte[] FIELD = "\"series\"".getBytes(StandardCharsets.UTF_8);

    private Shards() {}

    static int of(byte[] series, int shards) {
        CRC32 crc = new CRC32();
        crc.update(series);
        return (int) (crc.getValue() % shards);
    }

    /** One key per shard, in the middle of its share of the key groups. */
    static Row[] keys(int shards, int maxParallelism) {
        Row[] keys = new Row[shards];
        for (int shard = 0, candidate = 0; shard < shards; shard++, candidate = 0) {
            int wanted = (int) ((2L * shard + 1) * maxParallelism / (2L * shards));
            do {
                keys[shard] = Row.of(candidate++);
            } while (Internals.keyGroup(keys[shard], maxParallelism) != wanted);
        }
        return keys;
    }

    /** The series id inside a value, for records without a key; null where a plain one cannot be found. */
    static byte[] seriesIn(byte[] value) {
        int at = indexOf(value, FIELD);
        if (at < 0) {
            return null;
        }
        at = skipBlanks(value, at + FIELD.length);
        if (at >= value.length || value[at] != ':') {
            return null;
        }
        at = skipBlanks(value, at + 1);
        if (at >= value.length || value[at] != '"') {
            return null;
        }
        int start = ++at;
        while (at < value.length && value[at] != '"') {
            if (value[at++] == '\\') {
                return null; // escapes are for the full parser, which asks such producers to set a key
            }
        }
        return at < value.length ? java.util.Arrays.copyOfRange(value, start, at) : null;
    }

    private static int skipBlanks(byte[] value, int at) {
        while (at < value.length && (value[at] == ' ' || value[at] == '\t' || value[at] == '\n' || value[at] == '\r')) {
            at++;
        }
        return at;
    }

    private static int indexOf(byte[] value, byte[] wanted) {
        outer:
        for (int i = 0; i <= value.length - wanted.length; i++) {
            for (int j = 0; j < wanted.length; j++) {
                if (value[i + j] != wanted[j]) {
                    continue outer;
                }
            }
            return i;
        }
        return -1;
    }
}

package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Reads messages of Avro into plain values, as {@code inputs/formats/avro_format.py} does. */
final class AvroReader {
    private static final long FIRST_DAY = -719_162; // of the years 1 to 9999
    private static final long LAST_DAY = 2_932_896;
    private static final int MAX_DECIMAL_BYTES = 128;

    private final Json json;
    private byte[] in;
    private int at;

    AvroReader(Json json) {
        this.json = json;
    }

    /** Says that bytes are no message of their schema. */
    private static final class Bad extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Bad() {
            super(null, null, false, false);
        }
    }

    /** What a message holds from a place on; null where the bytes are no message of the type. */
    Object read(AvroSchema.Type type, byte[] bytes, int start) {
        in = bytes;
        at = start;
        try {
            Object found = value(type);
            return at == bytes.length ? found : null;
        } catch (Bad | IndexOutOfBoundsException bad) {
            return null;
        } finally {
            in = null;
        }
    }

    private Object value(AvroSchema.Type type) {
        Object found = plain(type);
        return type.opaque ? Json.OPAQUE : found;
    }

    private Object plain(AvroSchema.Type type) {
        switch (type.kind) {
            case NULL:
                return Json.NULL;
            case BOOLEAN:
                return in[at++] != 0;
            case INT:
            case LONG:
                long whole = number();
                if (type.opaque && (whole < FIRST_DAY || whole > LAST_DAY)) {
                    throw new FieldPath.Opaque(); // no date: Python refuses the message
                }
                return new Json.Whole(whole);
            case FLOAT:
                at += 4;
                return new Json.Real(Float.intBitsToFloat((int) bits(4)));
            case DOUBLE:
                at += 8;
                return new Json.Real(Double.longBitsToDouble(bits(8)));
            case STRING:
                return text();
            case BYTES:
            case FIXED:
                long size = type.kind == AvroSchema.Kind.FIXED ? type.size : number();
                skip(size);
                if (type.logical && size > MAX_DECIMAL_BYTES) {
                    throw new FieldPath.Opaque();
                }
                return null;
            case ENUM:
                return type.names[index(type.names.length)];
            case UNION:
                return value(type.inner[index(type.inner.length)]);
            case RECORD:
                Json.Fields fields = new Json.Fields(type.names.length);
                for (int i = 0; i < type.names.length; i++) {
                    fields.put(type.names[i], value(type.inner[i]));
                }
                return fields;
            case ARRAY:
                List<Object> array = new ArrayList<>();
                for (long left = block(); left > 0; left = block()) {
                    for (; left > 0; left--) {
                        array.add(value(type.inner[0]));
                    }
                }
                return array;
            default:
                Json.Fields map = new Json.Fields(8);
                for (long left = block(); left > 0; left = block()) {
                    for (; left > 0; left--) {
                        String key = text();
                        map.put(key, value(type.inner[0]));
                    }
                }
                return map;
        }
    }

    /** How many items follow; 0 at the end. */
    private long block() {
        long count = number();
        if (count < 0) {
            number(); // bytes of the block, for those who skip it
            count = -count;
        }
        if (count < 0) {
            throw new Bad();
        }
        return count;
    }

    private int index(int most) {
        long found = number();
        if (found < 0 || found >= most) {
            throw new Bad();
        }
        return (int) found;
    }

    private String text() {
        long length = number();
        int start = at;
        skip(length);
        int or = 0;
        for (int i = start; i < at; i++) {
            or |= in[i];
        }
        String found = or >= 0 ? new String(in, start, at - start, StandardCharsets.ISO_8859_1) : json.utf8(in, start, at);
        if (found == null) {
            throw new Bad();
        }
        return found;
    }

    private void skip(long bytes) {
        if (bytes < 0 || bytes > in.length - at) {
            throw new Bad();
        }
        at += (int) bytes;
    }

    /** The bytes before this place, the first the least. */
    private long bits(int bytes) {
        long found = 0;
        for (int i = 1; i <= bytes; i++) {
            found = found << 8 | in[at - i] & 0xff;
        }
        return found;
    }

    private long number() {
        long found = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            byte next = in[at++];
            found |= (next & 0x7fL) << shift;
            if (next >= 0) {
                return found >>> 1 ^ -(found & 1);
            }
        }
        throw new Bad();
    }
}

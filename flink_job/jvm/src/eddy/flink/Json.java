package eddy.flink;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Parses JSON into plain values, with the same bounds and the same meaning as {@code inputs/json_message.py}: UTF-8 with or
 * without a byte order mark, the last of fields with one name counts, NaN and infinite numbers are read.
 *
 * <p>Values are {@link Fields}, {@code List}, {@code String}, {@link Number}, {@code Boolean} and {@link #NULL}. What is
 * no JSON, or nested too deep, is null: only that is asked here, since Python says what is wrong with it.
 */
final class Json {
    static final Object NULL = new Object();
    static final int MAX_NESTING = 100;
    private static final int MANY_FIELDS = 16; // from here on a name is looked up by its hash

    private byte[] in;
    private int at;
    private int end;
    private final CharsetDecoder decoder =
            StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT).onUnmappableCharacter(CodingErrorAction.REPORT);

    /** A JSON number as it is written, read when somebody asks. */
    static final class Number {
        private final byte[] in;
        final int start;
        final int end;
        private final boolean digitsOnly;

        Number(byte[] in, int start, int end, boolean digitsOnly) {
            this.in = in;
            this.start = start;
            this.end = end;
            this.digitsOnly = digitsOnly;
        }

        String text() {
            return new String(in, start, end - start, StandardCharsets.ISO_8859_1);
        }

        /** Whether it has 18 digits or fewer and nothing else: nearly every whole number. */
        boolean isShort() {
            return digitsOnly && end - start <= 18;
        }

        long shortValue() {
            boolean negative = in[start] == '-';
            long value = 0;
            for (int i = negative ? start + 1 : start; i < end; i++) {
                value = value * 10 + (in[i] - '0');
            }
            return negative ? -value : value;
        }

        /** The whole number of at most 64 bits that it is; null for others, which are doubles. */
        BigInteger whole() {
            if (!digitsOnly || end - start > 20) {
                return null;
            }
            BigInteger found = new BigInteger(text());
            boolean fits = found.bitLength() <= 63 || (found.signum() > 0 && found.bitLength() <= 64);
            return fits ? found : null;
        }

        double value() {
            return isShort() ? shortValue() : Double.parseDouble(text()); // of digits, a conversion rounds as parsing does
        }

        /** Whether its text is surely a finite double, without reading it. */
        boolean surelyFinite() {
            if (end - start > 300) {
                return false;
            }
            for (int i = start; i < end; i++) {
                if (in[i] == 'e' || in[i] == 'E') {
                    return false;
                }
            }
            return in[end - 1] != 'N' && in[end - 1] != 'y';
        }

        void appendTo(Bytes out) {
            out.add(in, start, end);
        }
    }

    /** The fields of an object in their order; of fields with one name the first has the place and the last the value. */
    static final class Fields {
        private String[] names = new String[8];
        private Object[] values = new Object[8];
        private int size;
        private Map<String, Integer> places;

        int size() {
            return size;
        }

        String name(int i) {
            return names[i];
        }

        Object value(int i) {
            return values[i];
        }

        /** The value of a name; null where there is none. */
        Object get(String name) {
            int i = place(name);
            return i < 0 ? null : values[i];
        }

        void put(String name, Object value) {
            int i = place(name);
            if (i >= 0) {
                values[i] = value;
                return;
            }
            if (size == names.length) {
                names = java.util.Arrays.copyOf(names, size * 2);
                values = java.util.Arrays.copyOf(values, size * 2);
            }
            names[size] = name;
            values[size] = value;
            if (places != null) {
                places.put(name, size);
            }
            size++;
        }

        private int place(String name) {
            if (size > MANY_FIELDS && places == null) {
                places = new HashMap<>();
                for (int i = 0; i < size; i++) {
                    places.put(names[i], i);
                }
            }
            if (places != null) {
                return places.getOrDefault(name, -1);
            }
            for (int i = 0; i < size; i++) {
                if (names[i].equals(name)) {
                    return i;
                }
            }
            return -1;
        }
    }

    /** What a value holds; null where it is no JSON, empty, or nested too deep. */
    Object parse(byte[] value) {
        in = value;
        end = value == null ? 0 : value.length;
        at = end >= 3 && in[0] == (byte) 0xef && in[1] == (byte) 0xbb && in[2] == (byte) 0xbf ? 3 : 0;
        Object found = value(0);
        if (found != null) {
            blank();
            found = at == end ? found : null;
        }
        in = null;
        return found;
    }

    private void blank() {
        while (at < end && (in[at] == ' ' || in[at] == '\n' || in[at] == '\r' || in[at] == '\t')) {
            at++;
        }
    }

    private Object value(int depth) {
        blank();
        if (at == end) {
            return null;
        }
        switch (in[at]) {
            case '{':
                return depth == MAX_NESTING ? null : object(depth + 1);
            case '[':
                return depth == MAX_NESTING ? null : array(depth + 1);
            case '"':
                return text();
            case 't':
                return literal("true", Boolean.TRUE);
            case 'f':
                return literal("false", Boolean.FALSE);
            case 'n':
                return literal("null", NULL);
            case 'N':
                return special("NaN");
            case 'I':
                return special("Infinity");
            default:
                return number();
        }
    }

    private Object object(int depth) {
        Fields found = new Fields();
        at++;
        blank();
        if (at < end && in[at] == '}') {
            at++;
            return found;
        }
        while (true) {
            blank();
            if (at == end || in[at] != '"') {
                return null;
            }
            String name = text();
            if (name == null) {
                return null;
            }
            blank();
            if (at == end || in[at++] != ':') {
                return null;
            }
            Object value = value(depth);
            if (value == null) {
                return null;
            }
            found.put(name, value);
            blank();
            if (at == end) {
                return null;
            }
            byte next = in[at++];
            if (next == '}') {
                return found;
            }
            if (next != ',') {
                return null;
            }
        }
    }

    private Object array(int depth) {
        List<Object> found = new ArrayList<>();
        at++;
        blank();
        if (at < end && in[at] == ']') {
            at++;
            return found;
        }
        while (true) {
            Object value = value(depth);
            if (value == null) {
                return null;
            }
            found.add(value);
            blank();
            if (at == end) {
                return null;
            }
            byte next = in[at++];
            if (next == ']') {
                return found;
            }
            if (next != ',') {
                return null;
            }
        }
    }

    private Object literal(String wanted, Object value) {
        for (int i = 0; i < wanted.length(); i++, at++) {
            if (at == end || in[at] != wanted.charAt(i)) {
                return null;
            }
        }
        return value;
    }

    private Object special(String wanted) {
        int start = at;
        return literal(wanted, NULL) == null ? null : new Number(in, start, at, false);
    }

    private Object number() {
        int start = at;
        if (in[at] == '-') {
            at++;
            if (at < end && in[at] == 'I') {
                return literal("Infinity", NULL) == null ? null : new Number(in, start, at, false);
            }
        }
        if (at < end && in[at] == '0') {
            at++;
        } else if (!digits()) {
            return null;
        }
        boolean whole = true;
        if (at < end && in[at] == '.') {
            at++;
            whole = false;
            if (!digits()) {
                return null;
            }
        }
        if (at < end && (in[at] == 'e' || in[at] == 'E')) {
            at++;
            whole = false;
            if (at < end && (in[at] == '+' || in[at] == '-')) {
                at++;
            }
            if (!digits()) {
                return null;
            }
        }
        return new Number(in, start, at, whole);
    }

    private boolean digits() {
        int start = at;
        while (at < end && in[at] >= '0' && in[at] <= '9') {
            at++;
        }
        return at > start;
    }

    private String text() {
        int start = ++at;
        int or = 0;
        while (at < end && in[at] != '"' && in[at] != '\\') {
            if (in[at] >= 0 && in[at] < ' ') {
                return null;
            }
            or |= in[at++];
        }
        if (at == end) {
            return null;
        }
        if (in[at] == '"') {
            int stop = at++;
            return or >= 0 ? new String(in, start, stop - start, StandardCharsets.ISO_8859_1) : utf8(in, start, stop);
        }
        return escapedText(start);
    }

    private String escapedText(int start) {
        StringBuilder found = new StringBuilder();
        while (true) {
            int from = start;
            while (at < end && in[at] != '"' && in[at] != '\\') {
                if (in[at] >= 0 && in[at] < ' ') {
                    return null;
                }
                at++;
            }
            String part = at == end ? null : utf8(in, from, at);
            if (part == null) {
                return null;
            }
            found.append(part);
            if (in[at++] == '"') {
                return found.toString();
            }
            if (at == end || !escape(found)) {
                return null;
            }
            start = at;
        }
    }

    private boolean escape(StringBuilder out) {
        int which = "\"\\/bfnrt".indexOf(in[at++]);
        if (which >= 0) {
            out.append("\"\\/\b\f\n\r\t".charAt(which));
            return true;
        }
        if (in[at - 1] != 'u' || at + 4 > end) {
            return false;
        }
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = in[at] < 0 ? -1 : Character.digit(in[at], 16);
            at++;
            if (digit < 0) {
                return false;
            }
            code = code << 4 | digit;
        }
        out.append((char) code);
        return true;
    }

    /** Bytes as text; null where they are no UTF-8. */
    String utf8(byte[] bytes, int from, int to) {
        try {
            return decoder.decode(ByteBuffer.wrap(bytes, from, to - from)).toString();
        } catch (CharacterCodingException malformed) {
            return null;
        }
    }
}

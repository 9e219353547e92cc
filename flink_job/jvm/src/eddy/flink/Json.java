package eddy.flink;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Parses JSON into plain values, with the same bounds and the same meaning as {@code inputs/json_message.py}: UTF-8 with or
 * without a byte order mark, the last of fields with one name counts, NaN and infinite numbers are read.
 *
 * <p>Values are {@link Fields}, {@code List}, {@code String}, {@link Number}, {@code Boolean} and {@link #NULL}; of binary formats
 * also {@link #OPAQUE}, which only Python reads. What is
 * no JSON, or nested too deep, is null: only that is asked here, since Python says what is wrong with it.
 */
final class Json {
    static final Object NULL = new Object();
    static final Object OPAQUE = new Object();
    static final int MAX_NESTING = 100;
    private static final int MANY_FIELDS = 16; // from here on a name is looked up by its hash

    private static final int KEPT_NAMES = 256;
    private static final int BAD = 0; // kinds of numbers
    private static final int WHOLE = 1;
    private static final int FRACTION = 2;

    private byte[] in;
    private int at;
    private int end;
    private final Set<String> wanted; // null: all
    private final Name[] names = new Name[KEPT_NAMES]; // that came before, by their hash
    private final CharsetDecoder decoder =
            StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT).onUnmappableCharacter(CodingErrorAction.REPORT);

    Json() {
        this(null);
    }

    /**
     * A parser that keeps only fields of these names, wherever they are: what nobody asks for is checked and passed over.
     */
    Json(Set<String> wanted) {
        this.wanted = wanted;
    }

    /** The name of a field, which nearly always came before. */
    private static final class Name {
        final String text;
        final byte[] bytes; // null: it has escapes, or is no ASCII
        final boolean wanted;

        Name(String text, byte[] bytes, boolean wanted) {
            this.text = text;
            this.bytes = bytes;
            this.wanted = wanted;
        }
    }

    /** A number. Only whole numbers of 64 bits are whole, others are doubles. */
    abstract static class Number {
        /** Whether {@link #shortValue} gives it exactly. */
        abstract boolean isShort();

        abstract long shortValue();

        /** The whole number of at most 64 bits that it is; null for others, which are doubles. */
        abstract BigInteger whole();

        abstract double value();

        /** Whether it is surely a finite double, without a closer look. */
        abstract boolean surelyFinite();

        abstract void appendTo(Bytes out);
    }

    /** A JSON number as it is written, read when somebody asks. */
    private static final class Written extends Number {
        private final byte[] in;
        private final int start;
        private final int end;
        private final boolean digitsOnly;
        private static final int MAX_PLAIN = 19; // characters: the digits fit a long
        private static final long MAX_EXACT = 1L << 53;
        private static final double[] TENS = new double[MAX_PLAIN];

        static {
            for (int i = 0; i < MAX_PLAIN; i++) {
                TENS[i] = Double.parseDouble("1e" + i);
            }
        }

        Written(byte[] in, int start, int end, boolean digitsOnly) {
            this.in = in;
            this.start = start;
            this.end = end;
            this.digitsOnly = digitsOnly;
        }

        private String text() {
            return new String(in, start, end - start, StandardCharsets.ISO_8859_1);
        }

        @Override
        boolean isShort() {
            return digitsOnly && end - start <= 18;
        }

        @Override
        long shortValue() {
            boolean negative = in[start] == '-';
            long value = 0;
            for (int i = negative ? start + 1 : start; i < end; i++) {
                value = value * 10 + (in[i] - '0');
            }
            return negative ? -value : value;
        }

        @Override
        BigInteger whole() {
            if (!digitsOnly || end - start > 20) {
                return null;
            }
            BigInteger found = new BigInteger(text());
            boolean fits = found.bitLength() <= 63 || (found.signum() > 0 && found.bitLength() <= 64);
            return fits ? found : null;
        }

        @Override
        double value() {
            if (isShort()) {
                return shortValue(); // of digits, a conversion rounds as parsing does
            }
            double value = plain();
            return Double.isNaN(value) ? Double.parseDouble(text()) : value;
        }

        /**
         * A number of few digits with a point and no exponent, as nearly all are: the division of two whole numbers that
         * doubles hold exactly is rounded as parsing is. NaN for all others.
         */
        private double plain() {
            boolean negative = in[start] == '-';
            long digits = 0;
            int decimals = -1;
            if (end - start > MAX_PLAIN) {
                return Double.NaN;
            }
            for (int i = negative ? start + 1 : start; i < end; i++) {
                if (in[i] >= '0' && in[i] <= '9') {
                    digits = digits * 10 + (in[i] - '0');
                    decimals += decimals < 0 ? 0 : 1;
                } else if (in[i] == '.') {
                    decimals = 0;
                } else {
                    return Double.NaN;
                }
            }
            if (digits > MAX_EXACT || decimals < 0) {
                return Double.NaN;
            }
            double value = digits / TENS[decimals];
            return negative ? -value : value;
        }

        @Override
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

        @Override
        void appendTo(Bytes out) {
            out.add(in, start, end);
        }
    }

    /** A whole number of a binary format. */
    static final class Whole extends Number {
        private final long value;

        Whole(long value) {
            this.value = value;
        }

        @Override
        boolean isShort() {
            return true;
        }

        @Override
        long shortValue() {
            return value;
        }

        @Override
        BigInteger whole() {
            return BigInteger.valueOf(value);
        }

        @Override
        double value() {
            return value;
        }

        @Override
        boolean surelyFinite() {
            return true;
        }

        @Override
        void appendTo(Bytes out) {
            out.decimal(value);
        }
    }

    /** A double of a binary format. */
    static final class Real extends Number {
        private final double value;

        Real(double value) {
            this.value = value;
        }

        @Override
        boolean isShort() {
            return false;
        }

        @Override
        long shortValue() {
            throw new IllegalStateException("a double is not short");
        }

        @Override
        BigInteger whole() {
            return null;
        }

        @Override
        double value() {
            return value;
        }

        @Override
        boolean surelyFinite() {
            return Math.abs(value) <= Double.MAX_VALUE;
        }

        @Override
        void appendTo(Bytes out) {
            out.decimal(value);
        }
    }

    /** The fields of an object in their order; of fields with one name the first has the place and the last the value. */
    static final class Fields {
        private String[] names;
        private Object[] values;
        private int size;
        private Map<String, Integer> places;

        Fields(int room) {
            names = new String[Math.max(1, room)];
            values = new Object[names.length];
        }

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
                names = Arrays.copyOf(names, size * 2);
                values = Arrays.copyOf(values, size * 2);
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
        Fields found = new Fields(8);
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
            Name name = name();
            if (name == null) {
                return null;
            }
            blank();
            if (at == end || in[at++] != ':') {
                return null;
            }
            if (name.wanted) {
                Object value = value(depth);
                if (value == null) {
                    return null;
                }
                found.put(name.text, value);
            } else if (!skip(depth)) {
                return null;
            }
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

    private Name name() {
        int start = at + 1;
        int hash = 0;
        int i = start;
        while (i < end && in[i] != '"' && in[i] != '\\' && in[i] >= ' ') { // bytes above 127 are negative
            hash = hash * 31 + in[i++];
        }
        if (i == end || in[i] != '"') {
            String text = text();
            return text == null ? null : new Name(text, null, wanted == null || wanted.contains(text));
        }
        int place = (hash ^ hash >>> 16) & (KEPT_NAMES - 1);
        Name known = names[place];
        if (known == null || !Arrays.equals(known.bytes, 0, known.bytes.length, in, start, i)) {
            String text = new String(in, start, i - start, StandardCharsets.ISO_8859_1);
            known = names[place] = new Name(text, Arrays.copyOfRange(in, start, i), wanted == null || wanted.contains(text));
        }
        at = i + 1;
        return known;
    }

    /** Passes over a value that nobody asks for; false where it is none. */
    private boolean skip(int depth) {
        blank();
        if (at == end) {
            return false;
        }
        switch (in[at]) {
            case '{':
                return depth < MAX_NESTING && skipMembers(depth + 1, true);
            case '[':
                return depth < MAX_NESTING && skipMembers(depth + 1, false);
            case '"':
                return skipText();
            default:
                int first = in[at];
                return first == '-' || (first >= '0' && first <= '9') ? scanNumber() != BAD : value(depth) != null;
        }
    }

    private boolean skipMembers(int depth, boolean isObject) {
        byte last = (byte) (isObject ? '}' : ']');
        at++;
        blank();
        if (at < end && in[at] == last) {
            at++;
            return true;
        }
        while (true) {
            blank();
            if (isObject) {
                if (at == end || in[at] != '"' || !skipText()) {
                    return false;
                }
                blank();
                if (at == end || in[at++] != ':') {
                    return false;
                }
            }
            if (!skip(depth)) {
                return false;
            }
            blank();
            if (at == end) {
                return false;
            }
            byte next = in[at++];
            if (next == last) {
                return true;
            }
            if (next != ',') {
                return false;
            }
        }
    }

    private boolean skipText() {
        int i = at + 1;
        while (i < end && in[i] != '"' && in[i] != '\\' && in[i] >= ' ') {
            i++;
        }
        if (i == end || in[i] != '"') {
            return text() != null;
        }
        at = i + 1;
        return true;
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
        return literal(wanted, NULL) == null ? null : new Written(in, start, at, false);
    }

    private Object number() {
        int start = at;
        int kind = scanNumber();
        return kind == BAD ? null : new Written(in, start, at, kind == WHOLE);
    }

    /** Passes over a number, and says which kind it is. */
    private int scanNumber() {
        if (in[at] == '-') {
            at++;
            if (at < end && in[at] == 'I') {
                return literal("Infinity", NULL) == null ? BAD : FRACTION;
            }
        }
        if (at < end && in[at] == '0') {
            at++;
        } else if (!digits()) {
            return BAD;
        }
        int kind = WHOLE;
        if (at < end && in[at] == '.') {
            at++;
            kind = FRACTION;
            if (!digits()) {
                return BAD;
            }
        }
        if (at < end && (in[at] == 'e' || in[at] == 'E')) {
            at++;
            kind = FRACTION;
            if (at < end && (in[at] == '+' || in[at] == '-')) {
                at++;
            }
            if (!digits()) {
                return BAD;
            }
        }
        return kind;
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

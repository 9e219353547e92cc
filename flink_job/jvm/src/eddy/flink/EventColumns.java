package eddy.flink;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Reads what an event of an aggregated source contributes, a number for each column: {@code inputs/columns.py}.
 *
 * <p>{@link #append} writes it as {@code flink_job/wire/raw_events.py} reads it.
 */
final class EventColumns {
    private static final long MAX_EXACT = 1L << 53; // up to here whole numbers are exact as doubles
    private static final long FNV_BASIS = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;
    private static final int KEPT_BITS = 53; // of a hash: a double holds them exactly
    private static final double PAST_WHOLE = 0x1p64; // doubles below it may equal a whole number of 64 bits

    private final Column[] columns;
    private final double[] numbers;
    private final boolean asText;
    private final String missing;
    private final Bytes digits = new Bytes();

    /** One column, and the conditions under which an event contributes to it. */
    private static final class Column {
        boolean isOne; // 1 for each event
        boolean isNumber; // else what equal values share
        FieldPath path;
        Condition[] conditions;
    }

    /** As the plan gives it: the object of a source, with the list of its columns. */
    EventColumns(Json.Fields plan) {
        asText = "text".equals(plan.get("numbers"));
        missing = (String) plan.get("missing");
        List<?> every = (List<?>) plan.get("columns");
        columns = new Column[every.size()];
        numbers = new double[columns.length];
        for (int i = 0; i < columns.length; i++) {
            Json.Fields fields = (Json.Fields) every.get(i);
            List<?> conditions = (List<?>) fields.get("conditions");
            Column column = columns[i] = new Column();
            column.isOne = fields.get("kind").equals("one");
            column.isNumber = fields.get("kind").equals("number");
            column.path = FieldPath.of(fields.get("path"));
            column.conditions = new Condition[conditions.size()];
            for (int k = 0; k < column.conditions.length; k++) {
                column.conditions[k] = new Condition((Json.Fields) conditions.get(k), asText);
            }
        }
    }

    /** Reads the numbers of an event. */
    ObservedValues.Outcome read(Object[] scopes) {
        for (int i = 0; i < columns.length; i++) {
            Column column = columns[i];
            numbers[i] = Double.NaN;
            if (!holds(column.conditions, scopes)) {
                continue;
            }
            if (column.isOne) {
                numbers[i] = 1;
                continue;
            }
            Object found = column.path.find(scopes);
            if (found == null) {
                if (missing.equals("null")) {
                    continue;
                }
                return missing.equals("skip") ? ObservedValues.Outcome.LEFT_OUT : ObservedValues.Outcome.REFUSED;
            }
            if (found == Json.NULL) {
                continue;
            }
            numbers[i] = column.isNumber ? number(found) : identity(found);
            if (Double.isInfinite(numbers[i])) {
                return ObservedValues.Outcome.REFUSED;
            }
        }
        return ObservedValues.Outcome.READ;
    }

    /** Writes the event that was read last, with its time. */
    void append(long ms, Bytes out) {
        out.number64(ms);
        for (double number : numbers) {
            out.number64(Double.doubleToLongBits(number));
        }
    }

    private static boolean holds(Condition[] conditions, Object[] scopes) {
        for (Condition condition : conditions) {
            if (!condition.holds(condition.path.find(scopes))) {
                return false;
            }
        }
        return true;
    }

    /** The number that a value is; infinite where it is none that can be used. */
    private double number(Object found) {
        if (found instanceof Json.Number) {
            return ((Json.Number) found).value();
        }
        Double value = asText && found instanceof String ? ObservedValues.textNumber((String) found) : null;
        return value == null ? Double.POSITIVE_INFINITY : value;
    }

    /** A number that equal values share; infinite where a value can have none. */
    private double identity(Object found) {
        if (found instanceof Json.Number) {
            return identity((Json.Number) found);
        }
        if (found instanceof Boolean) {
            return identity(found.toString());
        }
        return found instanceof String ? identity((String) found) : Double.POSITIVE_INFINITY;
    }

    private double identity(Json.Number number) {
        if (number.isShort()) {
            digits.reset();
            digits.decimal(number.shortValue());
            return finished(hash(digits.bytes, digits.size));
        }
        BigInteger whole = number.whole();
        if (whole != null) {
            return identity(whole.toString());
        }
        double value = number.value();
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return value;
        }
        if (value == Math.rint(value) && value >= Long.MIN_VALUE && value < PAST_WHOLE) {
            return identity(new BigDecimal(value).toBigInteger().toString());
        }
        digits.reset();
        digits.number64(Double.doubleToLongBits(value));
        return finished(hash(digits.bytes, digits.size));
    }

    private static double identity(String text) {
        long found = FNV_BASIS;
        for (int i = 0; i < text.length(); i++) {
            char one = text.charAt(i);
            if (one >= 0x80) {
                return ofUnicode(text);
            }
            found = (found ^ one) * FNV_PRIME;
        }
        return finished(found);
    }

    private static double ofUnicode(String text) {
        for (int i = 0; i < text.length(); i++) {
            int code = text.codePointAt(i);
            if (code >= 0xd800 && code <= 0xdfff) { // a lone surrogate
                return Double.POSITIVE_INFINITY;
            }
            i += Character.charCount(code) - 1;
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return finished(hash(bytes, bytes.length));
    }

    private static long hash(byte[] bytes, int size) {
        long found = FNV_BASIS;
        for (int i = 0; i < size; i++) {
            found = (found ^ bytes[i] & 0xff) * FNV_PRIME;
        }
        return found;
    }

    /** Bits of a hash of FNV-1a, after MurmurHash3's finalizer. */
    private static double finished(long found) {
        found = (found ^ found >>> 33) * 0xff51afd7ed558ccdL;
        found = (found ^ found >>> 33) * 0xc4ceb9fe1a85ec53L;
        return (found ^ found >>> 33) >>> 64 - KEPT_BITS;
    }

    /** One comparison of a field with a literal. */
    private static final class Condition {
        final FieldPath path;
        private final boolean asText;
        private final boolean negated; // !=
        private final boolean ordered; // < and its like
        private final boolean orEqual;
        private final int sign; // of the comparison that holds: -1 for <, 1 for >
        private final Object literal;
        private final Pattern pattern; // of a text with *
        private final boolean isShort;
        private final long shortValue;
        private final double value; // of a number
        private final boolean exact; // the literal as double is the literal
        private final BigDecimal decimal;

        Condition(Json.Fields plan, boolean asText) {
            path = FieldPath.of(plan.get("path"));
            this.asText = asText;
            String operator = (String) plan.get("operator");
            negated = operator.equals("!=");
            ordered = operator.startsWith("<") || operator.startsWith(">");
            orEqual = ordered && operator.endsWith("=");
            sign = operator.startsWith("<") ? -1 : 1;
            literal = plan.get("literal");
            pattern = literal instanceof String && ((String) literal).indexOf('*') >= 0
                    ? MessageConditions.pattern((String) literal) : null;
            Json.Number number = literal instanceof Json.Number ? (Json.Number) literal : null;
            isShort = number != null && number.isShort();
            shortValue = isShort ? number.shortValue() : 0;
            value = number == null ? Double.NaN : number.value();
            decimal = number == null ? null : exact(number);
            exact = number != null && decimal.compareTo(new BigDecimal(value)) == 0;
        }

        boolean holds(Object found) {
            if (ordered) {
                Object number = asNumber(found);
                if (!isNumber(number)) {
                    return false;
                }
                int compared = compare(number);
                return compared == 0 ? orEqual : compared == sign;
            }
            return equal(found) != negated;
        }

        private boolean equal(Object found) {
            if (literal == Json.NULL) {
                return found == null || found == Json.NULL;
            }
            if (found == null) {
                return false;
            }
            if (literal instanceof String) {
                String text = SeriesTemplate.textOf(found);
                return text != null && (pattern == null ? text.equals(literal) : pattern.matcher(text).matches());
            }
            if (literal instanceof Boolean) {
                return found == literal;
            }
            Object number = asNumber(found);
            return isNumber(number) && compare(number) == 0;
        }

        /** The number of a text that is one, where those count as numbers; all else as it is. */
        private Object asNumber(Object found) {
            return asText && found instanceof String ? ObservedValues.textNumber((String) found) : found;
        }

        private static boolean isNumber(Object found) {
            return found instanceof Json.Number || found instanceof Double;
        }

        /** -1, 0 or 1 as a number is below, at or above the literal; 2 for NaN. */
        private int compare(Object found) {
            if (found instanceof Double) {
                return compare((double) (Double) found);
            }
            Json.Number number = (Json.Number) found;
            if (number.isShort()) {
                long whole = number.shortValue();
                if (isShort) {
                    return Long.compare(whole, shortValue);
                }
                return Math.abs(whole) <= MAX_EXACT ? compare((double) whole) : BigDecimal.valueOf(whole).compareTo(decimal);
            }
            BigInteger whole = number.whole();
            return whole == null ? compare(number.value()) : new BigDecimal(whole).compareTo(decimal);
        }

        private int compare(double found) {
            if (Double.isNaN(found)) {
                return 2;
            }
            if (exact || Double.isInfinite(found)) {
                return found < value ? -1 : found > value ? 1 : 0;
            }
            return new BigDecimal(found).compareTo(decimal);
        }

        /** Whole numbers of 64 bits are exact, others are doubles. */
        private static BigDecimal exact(Json.Number number) {
            return number.whole() != null ? new BigDecimal(number.whole()) : new BigDecimal(number.value());
        }
    }
}

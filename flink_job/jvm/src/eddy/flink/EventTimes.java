package eddy.flink;

import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads event times: {@code inputs/times.py}, but for patterns, whose sources Python reads.
 *
 * <p>Text that is neither digits nor a usual form of ISO-8601 is left to Python as well: {@link #UNUSUAL}.
 */
final class EventTimes {
    static final long BAD = Long.MIN_VALUE;
    static final long UNUSUAL = Long.MIN_VALUE + 1;
    private static final long FAR = Long.MAX_VALUE - 500_000;
    private static final long EXACT = 1L << 53; // up to here whole numbers are exact as doubles
    private static final Pattern ISO = Pattern.compile(
            "([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})?");
    private static final Pattern DIGITS = Pattern.compile("[+-]?[0-9]{1,18}");
    private static final Pattern FRACTION = Pattern.compile("[+-]?[0-9]{1,18}\\.[0-9]{1,30}");

    final FieldPath path;
    private final String unit;
    private final long first;
    private final long last;

    EventTimes(FieldPath path, String unit, long first, long last) {
        this.path = path;
        this.unit = unit;
        this.first = first;
        this.last = last;
    }

    /** Epoch ms of a Kafka timestamp; BAD outside of what is taken. */
    long kafka(long timestamp) {
        return within(timestamp);
    }

    /** Epoch ms of what stands in the field; BAD, or UNUSUAL where Python has to look. */
    long read(Object found) {
        if (found instanceof Json.Number) {
            Json.Number number = (Json.Number) found;
            if (unit.equals("iso")) {
                return BAD;
            }
            if (number.isShort()) {
                return ofWhole(number.shortValue());
            }
            return number.whole() != null ? ofLarge(number.whole()) : ofDouble(number.value());
        }
        if (!(found instanceof String)) {
            return BAD;
        }
        String text = (String) found;
        if (!unit.equals("iso")) {
            if (DIGITS.matcher(text).matches()) {
                return ofWhole(Long.parseLong(text));
            }
            if (FRACTION.matcher(text).matches()) {
                return ofDouble(Double.parseDouble(text));
            }
        }
        return ofIso(text);
    }

    private long within(long ms) {
        return ms >= first && ms <= last ? ms : BAD;
    }

    private long ofLarge(java.math.BigInteger number) {
        return number.bitLength() < 64 ? ofWhole(number.longValue()) : UNUSUAL; // beyond every usual time
    }

    private long ofWhole(long number) {
        String own = unit;
        if (own.equals("auto")) {
            if (mayBeDate(number)) {
                return UNUSUAL;
            }
            own = size(Math.abs((double) number));
        }
        switch (own) {
            case "s":
                return Math.abs(number) > 1L << 52 ? BAD : within(number * 1000);
            case "us":
                return number > FAR ? UNUSUAL : within(Math.floorDiv(number + 500, 1000L));
            case "ns":
                return number > FAR ? UNUSUAL : within(Math.floorDiv(number + 500_000, 1_000_000L));
            default:
                return within(number);
        }
    }

    private long ofDouble(double number) {
        if (Double.isNaN(number) || Math.abs(number) >= 1e21) {
            return BAD;
        }
        if (number == Math.rint(number)) {
            return Math.abs(number) < 9e18 ? ofWhole((long) number) : UNUSUAL;
        }
        String own = unit.equals("auto") ? size(Math.abs(number)) : unit;
        double ms = own.equals("s") ? number * 1000 : own.equals("us") ? number / 1000 : own.equals("ns") ? number / 1_000_000 : number;
        double whole = Math.floor(ms + 0.5);
        return Math.abs(whole) > 1L << 60 ? BAD : within((long) whole);
    }

    private static String size(double number) {
        return number < 1e11 ? "s" : number < 1e14 ? "ms" : number < 1e17 ? "us" : "ns";
    }

    /** Whether a number might spell a calendar date, as 20250101 does: Python looks closer. */
    private static boolean mayBeDate(long number) {
        return (number >= 1990_01_01L && number < 2101_00_00L) || (number >= 1990_01_01_0000L && number < 2101_00_00_0000L)
                || (number >= 1990_01_01_000000L && number < 2101_00_00_000000L);
    }

    private long ofIso(String text) {
        Matcher match = ISO.matcher(text);
        if (text.length() > 60 || !match.matches()) {
            return UNUSUAL;
        }
        long hour = digits(match, 4);
        long minute = digits(match, 5);
        long second = digits(match, 6);
        if (hour > 23 || minute > 59 || second > 59) {
            return UNUSUAL;
        }
        long days;
        try {
            days = LocalDate.of((int) digits(match, 1), (int) digits(match, 2), (int) digits(match, 3)).toEpochDay();
        } catch (DateTimeException noDate) {
            return UNUSUAL;
        }
        String fraction = match.group(7);
        long micros = fraction == null ? 0 : Long.parseLong((fraction + "00000").substring(0, 6));
        String zone = match.group(8);
        long ahead = 0;
        if (zone != null && !zone.equals("Z")) {
            long hours = Long.parseLong(zone.substring(1, 3));
            long minutes = Long.parseLong(zone.substring(4, 6));
            if (hours > 23 || minutes > 59) {
                return UNUSUAL;
            }
            ahead = (hours * 60 + minutes) * (zone.charAt(0) == '-' ? -60 : 60);
        }
        long seconds = days * 86400 + hour * 3600 + minute * 60 + second - ahead;
        long all = seconds * 1_000_000 + micros;
        return Math.abs(all) > EXACT ? UNUSUAL : within((long) Math.rint(all / 1e6 * 1000));
    }

    private static long digits(Matcher match, int group) {
        return Long.parseLong(match.group(group));
    }
}

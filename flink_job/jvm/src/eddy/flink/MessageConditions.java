package eddy.flink;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Decides which messages are for Eddy: {@code where} of a source, {@code inputs/conditions.py}. */
final class MessageConditions {
    private final List<Condition> conditions = new ArrayList<>();

    /** As the plan gives them: pairs of a path and accepted values. */
    MessageConditions(Object plan) {
        for (Object each : (List<?>) plan) {
            List<?> pair = (List<?>) each;
            conditions.add(new Condition(FieldPath.of(pair.get(0)), (List<?>) pair.get(1)));
        }
    }

    boolean hold(Object[] scopes) {
        for (Condition condition : conditions) {
            if (!condition.fits(condition.path.find(scopes))) {
                return false;
            }
        }
        return true;
    }

    private static final class Condition {
        final FieldPath path;
        private final List<Pattern> included = new ArrayList<>();
        private final List<Pattern> excluded = new ArrayList<>();
        private final List<Object> plain = new ArrayList<>();

        Condition(FieldPath path, List<?> wanted) {
            this.path = path;
            for (Object one : wanted) {
                if (!(one instanceof String)) {
                    plain.add(one);
                } else if (((String) one).startsWith("!")) {
                    excluded.add(pattern(((String) one).substring(1)));
                } else {
                    included.add(pattern((String) one));
                }
            }
        }

        boolean fits(Object found) {
            String text = SeriesTemplate.textOf(found);
            if (text != null && matches(excluded, text)) {
                return false;
            }
            if (included.isEmpty() && plain.isEmpty()) {
                return true;
            }
            if (text != null && matches(included, text)) {
                return true;
            }
            for (Object one : plain) {
                if (same(one, found)) {
                    return true;
                }
            }
            return false;
        }

        private static boolean matches(List<Pattern> patterns, String text) {
            for (Pattern pattern : patterns) {
                if (pattern.matcher(text).matches()) {
                    return true;
                }
            }
            return false;
        }

        private static boolean same(Object wanted, Object found) {
            if (!(wanted instanceof Json.Number) || !(found instanceof Json.Number)) {
                return wanted == found; // true, false
            }
            Json.Number one = (Json.Number) wanted;
            Json.Number other = (Json.Number) found;
            double value = other.value();
            if (Double.isNaN(value) || Double.isInfinite(value)) {
                return false;
            }
            return exact(one).compareTo(exact(other)) == 0;
        }

        /** Whole numbers of 64 bits are exact, others are doubles. */
        private static BigDecimal exact(Json.Number number) {
            return number.whole() != null ? new BigDecimal(number.whole()) : new BigDecimal(number.value());
        }

    }

    /** What matches a whole text: {@code *} stands for any characters. */
    static Pattern pattern(String text) {
        StringBuilder regex = new StringBuilder();
        String[] parts = text.split("\\*", -1);
        for (int i = 0; i < parts.length; i++) {
            regex.append(i == 0 ? "" : ".*").append(parts[i].isEmpty() ? "" : Pattern.quote(parts[i]));
        }
        return Pattern.compile(regex.toString(), Pattern.DOTALL);
    }
}

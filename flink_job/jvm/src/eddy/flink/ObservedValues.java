package eddy.flink;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Reads the values of an observation: {@code inputs/values.py}. Each is written as JSON, as it was found where it may be.
 *
 * <p>After {@link #read}, {@link #names} and {@link #texts} hold the features and their values.
 */
final class ObservedValues {
    static final int MAX_FEATURES = 1024;
    private static final int MAX_LENGTH = 60; // of a number that is written as text
    private static final Pattern TEXT =
            Pattern.compile("[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?");
    private static final byte[] MISSING = {'n', 'u', 'l', 'l'};

    /** What became of an element. */
    enum Outcome {
        READ,
        LEFT_OUT,
        REFUSED
    }

    final List<String> names = new ArrayList<>();
    final List<Object> texts = new ArrayList<>(); // Json.Number, or byte[]
    private final boolean asText;
    private final String missing;
    private final boolean alone;
    private final String[] named; // null: every number
    private final FieldPath[] paths;
    private final Set<List<Object>> others = new HashSet<>();

    ObservedValues(Json.Fields plan) {
        asText = "text".equals(plan.get("numbers"));
        missing = (String) plan.get("missing");
        alone = Boolean.TRUE.equals(plan.get("split"));
        if (plan.get("values") instanceof String) {
            named = null;
            paths = null;
            for (Object path : (List<?>) plan.get("others")) {
                others.add(List.of(FieldPath.of(path).steps));
            }
            return;
        }
        List<?> pairs = (List<?>) plan.get("values");
        named = new String[pairs.size()];
        paths = new FieldPath[pairs.size()];
        for (int i = 0; i < named.length; i++) {
            List<?> pair = (List<?>) pairs.get(i);
            named[i] = (String) pair.get(0);
            paths[i] = FieldPath.of(pair.get(1));
        }
    }

    Outcome read(Object[] scopes) {
        names.clear();
        texts.clear();
        if (named == null) {
            List<Object> steps = new ArrayList<>();
            boolean good = !(scopes[0] instanceof Json.Fields) || every((Json.Fields) scopes[0], steps);
            return !good || (names.isEmpty() && !missing.equals("skip")) ? Outcome.REFUSED
                    : names.isEmpty() ? Outcome.LEFT_OUT : Outcome.READ;
        }
        int present = 0;
        for (int i = 0; i < named.length; i++) {
            Object found = paths[i].find(scopes);
            if (found != null) {
                present++;
            } else if (missing.equals("skip")) {
                if (!alone) {
                    return Outcome.LEFT_OUT;
                }
                continue;
            } else if (missing.equals("error")) {
                return Outcome.REFUSED;
            }
            Object text = found == null ? MISSING : number(found);
            if (text == null) {
                if (missing.equals("skip") && !alone) {
                    continue; // a later one may not be there, which leaves the whole element out
                }
                return Outcome.REFUSED;
            }
            names.add(named[i]);
            texts.add(text);
        }
        if (present < named.length && missing.equals("null") && present == 0) {
            return Outcome.REFUSED;
        }
        if (missing.equals("skip") && names.size() < present) {
            return Outcome.REFUSED;
        }
        return names.isEmpty() ? Outcome.LEFT_OUT : Outcome.READ;
    }

    /** All numbers of an object and of the objects inside it; false where one is none that can be used. */
    private boolean every(Json.Fields object, List<Object> steps) {
        for (int i = 0; i < object.size(); i++) {
            Object value = object.value(i);
            steps.add(object.name(i));
            boolean good = true;
            if (value instanceof Json.Fields) {
                good = every((Json.Fields) value, steps);
            } else if (value == Json.OPAQUE) {
                throw new FieldPath.Opaque();
            } else if (isNumber(value) && !others.contains(steps)) {
                Object text = number(value);
                names.add(spelled(steps));
                texts.add(text == null ? MISSING : text);
                good = text != null && names.size() <= MAX_FEATURES && SeriesTemplate.feature(names.get(names.size() - 1)) != null;
            }
            steps.remove(steps.size() - 1);
            if (!good) {
                return false;
            }
        }
        return true;
    }

    private boolean isNumber(Object value) {
        return value instanceof Json.Number || (asText && value instanceof String && text((String) value) != null);
    }

    /** A value as JSON; null where it is none that can be used. */
    private Object number(Object found) {
        if (found == Json.NULL) {
            return MISSING;
        }
        if (found instanceof String) {
            return asText ? text((String) found, true) : null;
        }
        if (!(found instanceof Json.Number)) {
            return null;
        }
        Json.Number number = (Json.Number) found;
        if (number.surelyFinite()) {
            return number;
        }
        double value = number.value();
        return Double.isNaN(value) ? MISSING : Double.isInfinite(value) ? null : (Object) number;
    }

    private static Object text(String text) {
        return text(text, false);
    }

    private static Object text(String text, boolean finite) {
        Double value = textNumber(text);
        if (value == null || value.isNaN()) {
            return value == null ? null : MISSING;
        }
        return value.isInfinite() ? (finite ? null : MISSING) : value.toString().getBytes();
    }

    /** The number that a text is: {@code inputs/number_values.py}; null for all other texts. */
    static Double textNumber(String text) {
        if (text.length() > MAX_LENGTH && text.codePointCount(0, text.length()) > MAX_LENGTH) {
            return null;
        }
        int start = 0;
        int end = text.length();
        while (start < end && " \t\r\n".indexOf(text.charAt(start)) >= 0) {
            start++;
        }
        while (end > start && " \t\r\n".indexOf(text.charAt(end - 1)) >= 0) {
            end--;
        }
        String bare = text.substring(start, end);
        if (bare.equals("NaN")) {
            return Double.NaN;
        }
        return TEXT.matcher(bare).matches() ? (Double) Double.parseDouble(bare.replace(',', '.')) : null;
    }

    /** A path as it is written in settings: {@code inputs/paths.py}, {@code spelled}. */
    static String spelled(List<Object> steps) {
        StringBuilder out = new StringBuilder();
        for (Object step : steps) {
            String name = (String) step; // arrays are not entered
            boolean bare = !name.isEmpty();
            for (int i = 0; i < name.length(); i++) {
                bare &= name.charAt(i) > ' ' && ".[]{}\"".indexOf(name.charAt(i)) < 0;
            }
            if (bare) {
                out.append(out.length() == 0 ? "" : ".").append(name);
            } else {
                quote(out.append('['), name);
                out.append(']');
            }
        }
        return out.toString();
    }

    private static void quote(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char one = text.charAt(i);
            int short_ = "\"\\\b\f\n\r\t".indexOf(one);
            if (short_ >= 0) {
                out.append('\\').append("\"\\bfnrt".charAt(short_));
            } else if (one < ' ') {
                out.append(String.format("\\u%04x", (int) one));
            } else {
                out.append(one);
            }
        }
        out.append('"');
    }
}
